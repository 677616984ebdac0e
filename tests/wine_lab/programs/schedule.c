// The Task Scheduler service of a lab host: runs what schtasks registered, as a child of its own, so outside of
// the SSH session that asked for it. Imitates, as far as one-off tasks need it
// (learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema):
// - tasks run on demand, at their registration (RegistrationTrigger) and at the service's start (BootTrigger);
// - DisallowStartIfOnBatteries, true unless the XML says otherwise: on batteries (the lab's flag `battery`) such
//   a task is queued and does not start;
// - one instance of a task at a time (MultipleInstancesPolicy IgnoreNew, the default).
// Other triggers and limits are stored and not obeyed.

#include "tasks.h"

#define MOST 64

static struct {
    wchar_t name[260];
    HANDLE process;
    DWORD last;
    int queued;
} known[MOST];

static SERVICE_STATUS_HANDLE handle;
static SERVICE_STATUS status = {SERVICE_WIN32_OWN_PROCESS, SERVICE_RUNNING, SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN};

static int slot(const wchar_t *name)
{
    int i, empty = 0;
    for (i = MOST - 1; i >= 0; i--) {
        if (!_wcsicmp(known[i].name, name))
            return i;
        if (!known[i].name[0])
            empty = i;
    }
    wcsncpy(known[empty].name, name, 259);
    known[empty].last = 267011;
    return empty;
}

static int running(int i)
{
    DWORD code;
    if (!known[i].process)
        return 0;
    if (WaitForSingleObject(known[i].process, 0) == WAIT_TIMEOUT)
        return 1;
    GetExitCodeProcess(known[i].process, &code);
    known[i].last = code;
    record(L"tasks", L"ended\t%ls\t%lu\n", known[i].name, code);
    CloseHandle(known[i].process);
    known[i].process = NULL;
    return 0;
}

static DWORD run_task(const wchar_t *name)
{
    static wchar_t path[MAX_PATH * 2], command[MAX_PATH], bare[MAX_PATH], arguments[33000], folder[MAX_PATH], battery[16],
        line[34000];
    int i = slot(name);
    STARTUPINFOW start = {sizeof start};
    PROCESS_INFORMATION child;
    task_file(name, path);
    wchar_t *xml = read_text(path);
    if (!xml)
        return ERROR_FILE_NOT_FOUND;
    if (running(i)) {
        free(xml);
        return 0;
    }
    element(xml, L"DisallowStartIfOnBatteries", battery, 16);
    if (flag_is_set(L"battery") && wcscmp(battery, L"false")) {
        known[i].queued = 1;
        free(xml);
        return 0;
    }
    element(xml, L"Command", bare, MAX_PATH);
    element(xml, L"Arguments", arguments, 33000);
    element(xml, L"WorkingDirectory", folder, MAX_PATH);
    free(xml);
    ExpandEnvironmentStringsW(bare, command, MAX_PATH);
    _snwprintf(line, 34000, command[0] == L'"' ? L"%ls %ls" : L"\"%ls\" %ls", command, arguments);
    record(L"tasks", L"run\t%ls\t%ls\n", name, line);
    known[i].queued = 0;
    if (!CreateProcessW(NULL, line, NULL, NULL, FALSE, CREATE_NEW_CONSOLE, NULL, folder[0] ? folder : L"C:\\windows\\system32",
                        &start, &child)) {
        known[i].last = HRESULT_FROM_WIN32(GetLastError());
        record(L"tasks", L"unstarted\t%ls\t%08lx\n", name, known[i].last);
        return 0;
    }
    CloseHandle(child.hThread);
    known[i].process = child.hProcess;
    known[i].last = 267009; // SCHED_S_TASK_RUNNING
    return 0;
}

static void boot_tasks(void)
{
    WIN32_FIND_DATAW found;
    HANDLE search = FindFirstFileW(FOLDER L"\\*", &found);
    if (search == INVALID_HANDLE_VALUE)
        return;
    do {
        wchar_t path[MAX_PATH * 2];
        if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
            continue;
        task_file(found.cFileName, path);
        wchar_t *xml = read_text(path);
        if (xml && wcsstr(xml, L"<BootTrigger"))
            run_task(found.cFileName);
        free(xml);
    } while (FindNextFileW(search, &found));
    FindClose(search);
}

static void answer(const Request *request, Answer *said)
{
    int i = slot(request->name);
    wchar_t path[MAX_PATH * 2];
    if (request->verb == L'r')
        said->error = run_task(request->name);
    else if (request->verb == L'e' && running(i)) {
        TerminateProcess(known[i].process, 267014); // SCHED_S_TASK_TERMINATED
        WaitForSingleObject(known[i].process, 5000);
    } else if (request->verb == L'n') {
        task_file(request->name, path);
        wchar_t *xml = read_text(path);
        known[i].last = 267011;
        if (xml && wcsstr(xml, L"<RegistrationTrigger"))
            run_task(request->name);
        free(xml);
    }
    said->state = running(i) ? 4 : known[i].queued ? 2 : 3;
    said->last_result = known[i].last;
}

static DWORD WINAPI serve(void *nothing)
{
    for (;;) {
        Request request = {0};
        Answer said = {0};
        DWORD moved;
        HANDLE pipe = CreateNamedPipeW(PIPE, PIPE_ACCESS_DUPLEX, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT,
                                       PIPE_UNLIMITED_INSTANCES, 4096, 4096, 0, NULL);
        if (!ConnectNamedPipe(pipe, NULL) && GetLastError() != ERROR_PIPE_CONNECTED) {
            CloseHandle(pipe);
            continue;
        }
        if (ReadFile(pipe, &request, sizeof request, &moved, NULL) && moved == sizeof request) {
            answer(&request, &said);
            WriteFile(pipe, &said, sizeof said, &moved, NULL);
            FlushFileBuffers(pipe);
        }
        DisconnectNamedPipe(pipe);
        CloseHandle(pipe);
    }
    return 0;
}

static DWORD WINAPI control(DWORD code, DWORD type, void *data, void *context)
{
    if (code == SERVICE_CONTROL_STOP || code == SERVICE_CONTROL_SHUTDOWN) {
        status.dwCurrentState = SERVICE_STOPPED;
        SetServiceStatus(handle, &status);
        ExitProcess(0);
    }
    return NO_ERROR;
}

static void WINAPI begin(DWORD count, wchar_t **words)
{
    handle = RegisterServiceCtrlHandlerExW(L"Schedule", control, NULL);
    boot_tasks();
    CreateThread(NULL, 0, serve, NULL, 0, NULL);
    SetServiceStatus(handle, &status);
}

int wmain(void)
{
    SERVICE_TABLE_ENTRYW table[] = {{L"Schedule", begin}, {NULL, NULL}};
    return StartServiceCtrlDispatcherW(table) ? 0 : 1;
}
