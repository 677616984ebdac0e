// tasklist: imitates the table, /fo csv|list, /nh, /svc and /fi "imagename eq NAME" or "pid eq N" of Windows'
// (learn.microsoft.com/windows-server/administration/windows-commands/tasklist), in English. As there, nothing
// found is exit code 0 with a line that begins with INFO, which /nh does not take away. Wine has no processes for the
// idle loop and the kernel (0 and 4); they are added to each csv list that is not filtered.

#include "lab.h"
#include <tlhelp32.h>

static void services_of(DWORD pid, wchar_t *names, size_t size)
{
    static char buffer[1 << 18];
    DWORD needed, found = 0, resume = 0, i;
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ENUMERATE_SERVICE);
    ENUM_SERVICE_STATUS_PROCESSW *entry = (ENUM_SERVICE_STATUS_PROCESSW *)buffer;
    names[0] = 0;
    EnumServicesStatusExW(manager, SC_ENUM_PROCESS_INFO, SERVICE_WIN32, SERVICE_ACTIVE, (BYTE *)buffer, sizeof buffer, &needed,
                          &found, &resume, NULL);
    for (i = 0; i < found; i++)
        if (entry[i].ServiceStatusProcess.dwProcessId == pid) {
            if (names[0])
                wcsncat(names, L",", size - wcslen(names) - 1);
            wcsncat(names, entry[i].lpServiceName, size - wcslen(names) - 1);
        }
    CloseServiceHandle(manager);
    if (!names[0])
        wcscpy(names, L"N/A");
}

int wmain(int count, wchar_t **words)
{
    const wchar_t *format = L"table";
    wchar_t image[300] = L"", names[2048];
    int i, headless = 0, services = 0, shown = 0;
    DWORD only = 0;
    for (i = 1; i < count; i++) {
        if (!_wcsicmp(words[i], L"/fo") && i + 1 < count)
            format = words[++i];
        else if (!_wcsicmp(words[i], L"/nh"))
            headless = 1;
        else if (!_wcsicmp(words[i], L"/svc"))
            services = 1;
        else if (!_wcsicmp(words[i], L"/fi") && i + 1 < count) {
            i++;
            if (!_wcsnicmp(words[i], L"imagename eq ", 13))
                wcsncpy(image, words[i] + 13, 299);
            else if (!_wcsnicmp(words[i], L"pid eq ", 7))
                only = _wtoi(words[i] + 7);
            else {
                err(L"ERROR: The search filter cannot be recognized.\n");
                return 1;
            }
        } else {
            err(L"ERROR: Invalid argument/option - '%ls'.\nType \"TASKLIST /?\" for usage.\n", words[i]);
            return 1;
        }
    }
    int csv = !_wcsicmp(format, L"csv"), list = !_wcsicmp(format, L"list");
    PROCESSENTRY32W entry = {sizeof entry};
    HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    BOOL more = Process32FirstW(all, &entry);
    if (csv && !services && !image[0] && !only) {
        if (!headless)
            out(L"\"Image Name\",\"PID\",\"Session Name\",\"Session#\",\"Mem Usage\"\n");
        out(L"\"System Idle Process\",\"0\",\"Services\",\"0\",\"8 K\"\n\"System\",\"4\",\"Services\",\"0\",\"144 K\"\n");
        shown = 1;
    }
    for (; more; more = Process32NextW(all, &entry)) {
        size_t end = wcslen(image);
        if (end && image[end - 1] == L'*' ? _wcsnicmp(image, entry.szExeFile, end - 1) : end && _wcsicmp(image, entry.szExeFile))
            continue;
        if (only && only != entry.th32ProcessID)
            continue;
        services_of(entry.th32ProcessID, names, 2048);
        if (!shown && !headless && csv)
            out(services ? L"\"Image Name\",\"PID\",\"Services\"\n"
                         : L"\"Image Name\",\"PID\",\"Session Name\",\"Session#\",\"Mem Usage\"\n");
        else if (!shown && !headless && !list)
            out(services ? L"\nImage Name                     PID Services                                    \n"
                           L"========================= ======== ============================================\n"
                         : L"\nImage Name                     PID Session Name        Session#    Mem Usage\n"
                           L"========================= ======== ================ =========== ============\n");
        shown = 1;
        if (csv && services)
            out(L"\"%ls\",\"%lu\",\"%ls\"\n", entry.szExeFile, entry.th32ProcessID, names);
        else if (csv)
            out(L"\"%ls\",\"%lu\",\"Services\",\"0\",\"8,192 K\"\n", entry.szExeFile, entry.th32ProcessID);
        else if (list)
            out(L"\nImage Name:   %ls\nPID:          %lu\nSession Name: Services\nSession#:     0\nMem Usage:    8,192 K\n",
                entry.szExeFile, entry.th32ProcessID);
        else if (services)
            out(L"%-25.25ls %8lu %-44ls\n", entry.szExeFile, entry.th32ProcessID, names);
        else
            out(L"%-25.25ls %8lu Services                   0      8,192 K\n", entry.szExeFile, entry.th32ProcessID);
    }
    if (!shown)
        out(L"INFO: No tasks are running which match the specified criteria.\n");
    return 0;
}
