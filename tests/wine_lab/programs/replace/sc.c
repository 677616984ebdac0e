// sc: imitates query, queryex, qc, stop, start, delete, config and create of Windows'
// (learn.microsoft.com/windows-server/administration/windows-commands/sc-query), in English, over Wine's own
// service manager: exit codes 1060, 1062, 1056, 1072, 5 and so on are the error's number, and its text goes to
// standard output, as there.

#include "lab.h"

static int failed(const wchar_t *what, DWORD code)
{
    const wchar_t *text = code == 1060   ? L"The specified service does not exist as an installed service."
                          : code == 1062 ? L"The service has not been started."
                          : code == 1056 ? L"An instance of the service is already running."
                          : code == 1072 ? L"The specified service has been marked for deletion."
                          : code == 1073 ? L"The specified service already exists."
                          : code == 1052 ? L"The requested control is not valid for this service."
                          : code == 5    ? L"Access is denied."
                                         : L"The operation failed.";
    out(L"[SC] %ls FAILED %lu:\n\n%ls\n\n", what, code, text);
    return code;
}

static const wchar_t *const STATES[] = {L"", L"STOPPED", L"START_PENDING", L"STOP_PENDING", L"RUNNING",
                                        L"CONTINUE_PENDING", L"PAUSE_PENDING", L"PAUSED"};

static const wchar_t *type_name(DWORD type)
{
    return type & SERVICE_KERNEL_DRIVER       ? L"KERNEL_DRIVER"
           : type & SERVICE_FILE_SYSTEM_DRIVER ? L"FILE_SYSTEM_DRIVER"
           : type & SERVICE_WIN32_OWN_PROCESS  ? L"WIN32_OWN_PROCESS"
                                               : L"WIN32_SHARE_PROCESS";
}

static void show(const wchar_t *name, const wchar_t *display, const SERVICE_STATUS_PROCESS *status, int more)
{
    out(L"\nSERVICE_NAME: %ls\n", name);
    if (display)
        out(L"DISPLAY_NAME: %ls\n", display);
    out(L"        TYPE               : %lx  %ls  \n", status->dwServiceType, type_name(status->dwServiceType));
    out(L"        STATE              : %lu  %ls \n", status->dwCurrentState, STATES[status->dwCurrentState & 7]);
    out(L"                                (%ls, NOT_PAUSABLE, %ls)\n",
        status->dwControlsAccepted & SERVICE_ACCEPT_STOP ? L"STOPPABLE" : L"NOT_STOPPABLE",
        status->dwControlsAccepted & SERVICE_ACCEPT_SHUTDOWN ? L"ACCEPTS_SHUTDOWN" : L"IGNORES_SHUTDOWN");
    out(L"        WIN32_EXIT_CODE    : %lu  (0x%lx)\n", status->dwWin32ExitCode, status->dwWin32ExitCode);
    out(L"        SERVICE_EXIT_CODE  : %lu  (0x%lx)\n", status->dwServiceSpecificExitCode, status->dwServiceSpecificExitCode);
    out(L"        CHECKPOINT         : 0x%lx\n        WAIT_HINT          : 0x%lx\n", status->dwCheckPoint, status->dwWaitHint);
    if (more)
        out(L"        PID                : %lu\n        FLAGS              : \n", status->dwProcessId);
}

static int list(SC_HANDLE manager, DWORD type, DWORD state, int more)
{
    DWORD needed = 0, found = 0, resume = 0, i, size = 1 << 18;
    char *buffer = malloc(size);
    if (!EnumServicesStatusExW(manager, SC_ENUM_PROCESS_INFO, type, state, (BYTE *)buffer, size, &needed, &found, &resume, NULL))
        return failed(L"EnumQueryServicesStatus", GetLastError());
    ENUM_SERVICE_STATUS_PROCESSW *entry = (ENUM_SERVICE_STATUS_PROCESSW *)buffer;
    for (i = 0; i < found; i++)
        show(entry[i].lpServiceName, entry[i].lpDisplayName, &entry[i].ServiceStatusProcess, more);
    return 0;
}

static int config(SC_HANDLE service, const wchar_t *name)
{
    static char buffer[16384];
    static const wchar_t *const START[] = {L"BOOT_START", L"SYSTEM_START", L"AUTO_START", L"DEMAND_START", L"DISABLED"};
    static const wchar_t *const ERRORS[] = {L"IGNORE", L"NORMAL", L"SEVERE", L"CRITICAL"};
    QUERY_SERVICE_CONFIGW *config = (QUERY_SERVICE_CONFIGW *)buffer;
    DWORD needed;
    if (!QueryServiceConfigW(service, config, sizeof buffer, &needed))
        return failed(L"QueryServiceConfig", GetLastError());
    out(L"[SC] QueryServiceConfig SUCCESS\n\nSERVICE_NAME: %ls\n", name);
    out(L"        TYPE               : %lx  %ls \n", config->dwServiceType, type_name(config->dwServiceType));
    out(L"        START_TYPE         : %lu   %ls\n", config->dwStartType, START[config->dwStartType % 5]);
    out(L"        ERROR_CONTROL      : %lu   %ls\n", config->dwErrorControl, ERRORS[config->dwErrorControl & 3]);
    out(L"        BINARY_PATH_NAME   : %ls\n        LOAD_ORDER_GROUP   : %ls\n        TAG                : %lu\n",
        config->lpBinaryPathName, config->lpLoadOrderGroup ? config->lpLoadOrderGroup : L"", config->dwTagId);
    out(L"        DISPLAY_NAME       : %ls\n        DEPENDENCIES       : \n        SERVICE_START_NAME : %ls\n",
        config->lpDisplayName, config->lpServiceStartName ? config->lpServiceStartName : L"");
    return 0;
}

static int query(SC_HANDLE manager, int count, wchar_t **words)
{
    int more = !_wcsicmp(words[1], L"queryex"), i;
    DWORD type = SERVICE_WIN32, state = SERVICE_ACTIVE, needed;
    const wchar_t *name = NULL;
    for (i = 2; i < count; i++) {
        const wchar_t *value = i + 1 < count ? words[i + 1] : L"";
        if (!_wcsicmp(words[i], L"type=")) {
            type = !_wcsicmp(value, L"driver") ? SERVICE_DRIVER : !_wcsicmp(value, L"all") ? SERVICE_DRIVER | SERVICE_WIN32 : SERVICE_WIN32;
            i++;
        } else if (!_wcsicmp(words[i], L"state=")) {
            state = !_wcsicmp(value, L"all") ? SERVICE_STATE_ALL : !_wcsicmp(value, L"inactive") ? SERVICE_INACTIVE : SERVICE_ACTIVE;
            i++;
        } else if (!_wcsicmp(words[i], L"bufsize=") || !_wcsicmp(words[i], L"ri=") || !_wcsicmp(words[i], L"group="))
            i++;
        else
            name = words[i];
    }
    if (!name)
        return list(manager, type, state, more);
    SERVICE_STATUS_PROCESS status;
    SC_HANDLE service = OpenServiceW(manager, name, SERVICE_QUERY_STATUS);
    if (!service)
        return failed(L"EnumQueryServicesStatus:OpenService", GetLastError());
    QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&status, sizeof status, &needed);
    show(name, NULL, &status, more);
    return 0;
}

static int create(SC_HANDLE manager, int count, wchar_t **words)
{
    const wchar_t *path = NULL, *display = NULL;
    DWORD type = SERVICE_WIN32_OWN_PROCESS, start = SERVICE_DEMAND_START;
    int i;
    for (i = 3; i + 1 < count; i += 2) {
        const wchar_t *value = words[i + 1];
        if (!_wcsicmp(words[i], L"binpath="))
            path = value;
        else if (!_wcsicmp(words[i], L"displayname="))
            display = value;
        else if (!_wcsicmp(words[i], L"type="))
            type = !_wcsicmp(value, L"kernel") ? SERVICE_KERNEL_DRIVER : !_wcsicmp(value, L"filesys") ? SERVICE_FILE_SYSTEM_DRIVER : type;
        else if (!_wcsicmp(words[i], L"start="))
            start = !_wcsicmp(value, L"auto") ? SERVICE_AUTO_START : !_wcsicmp(value, L"system") ? SERVICE_SYSTEM_START
                    : !_wcsicmp(value, L"boot") ? SERVICE_BOOT_START : !_wcsicmp(value, L"disabled") ? SERVICE_DISABLED : start;
    }
    if (!CreateServiceW(manager, words[2], display ? display : words[2], SERVICE_ALL_ACCESS, type, start, SERVICE_ERROR_NORMAL, path,
                        NULL, NULL, NULL, NULL, NULL))
        return failed(L"CreateService", GetLastError());
    out(L"[SC] CreateService SUCCESS\n");
    return 0;
}

int wmain(int count, wchar_t **words)
{
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS), service;
    SERVICE_STATUS_PROCESS status = {0};
    const wchar_t *verb = count > 1 ? words[1] : L"";
    if (!_wcsicmp(verb, L"query") || !_wcsicmp(verb, L"queryex"))
        return query(manager, count, words);
    if (count < 3) {
        out(L"ERROR:  Unrecognized command\n");
        return 1639;
    }
    if (!_wcsicmp(verb, L"create"))
        return create(manager, count, words);
    if (!(service = OpenServiceW(manager, words[2], SERVICE_ALL_ACCESS)))
        return failed(L"OpenService", GetLastError());
    if (!_wcsicmp(verb, L"qc"))
        return config(service, words[2]);
    if (!_wcsicmp(verb, L"stop")) {
        DWORD needed;
        QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&status, sizeof status, &needed);
        // Wine's service manager does not pass on that a service refuses.
        if (flag_is_set(L"nostop") && status.dwCurrentState == SERVICE_RUNNING)
            return failed(L"ControlService", ERROR_ACCESS_DENIED);
        if (!ControlService(service, SERVICE_CONTROL_STOP, (SERVICE_STATUS *)&status))
            return failed(L"ControlService", GetLastError());
        show(words[2], NULL, &status, 0);
        return 0;
    }
    if (!_wcsicmp(verb, L"start")) {
        DWORD needed;
        if (!StartServiceW(service, 0, NULL))
            return failed(L"StartService", GetLastError());
        QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&status, sizeof status, &needed);
        show(words[2], NULL, &status, 1);
        return 0;
    }
    if (!_wcsicmp(verb, L"delete")) {
        if (!DeleteService(service))
            return failed(L"DeleteService", GetLastError());
        out(L"[SC] DeleteService SUCCESS\n");
        return 0;
    }
    if (!_wcsicmp(verb, L"config")) {
        DWORD start = SERVICE_NO_CHANGE;
        int i;
        for (i = 3; i + 1 < count; i += 2)
            if (!_wcsicmp(words[i], L"start="))
                start = !_wcsicmp(words[i + 1], L"disabled") ? SERVICE_DISABLED : !_wcsicmp(words[i + 1], L"auto") ? SERVICE_AUTO_START : SERVICE_DEMAND_START;
        if (!ChangeServiceConfigW(service, SERVICE_NO_CHANGE, start, SERVICE_NO_CHANGE, NULL, NULL, NULL, NULL, NULL, NULL, NULL))
            return failed(L"ChangeServiceConfig", GetLastError());
        out(L"[SC] ChangeServiceConfig SUCCESS\n");
        return 0;
    }
    out(L"ERROR:  Unrecognized command\n");
    return 1639;
}
