// A vendor's service: runs until it is told to stop, and refuses that (ERROR_ACCESS_DENIED, as a product with
// self-defence does) while the lab's flag `nostop` is set.

#include "lab.h"

static SERVICE_STATUS_HANDLE handle;
static SERVICE_STATUS status = {SERVICE_WIN32_OWN_PROCESS, SERVICE_RUNNING, SERVICE_ACCEPT_STOP};
static HANDLE stopped;

static DWORD WINAPI control(DWORD code, DWORD type, void *data, void *context)
{
    if (code == SERVICE_CONTROL_STOP) {
        if (flag_is_set(L"nostop"))
            return ERROR_ACCESS_DENIED;
        SetEvent(stopped);
    }
    return NO_ERROR;
}

static void WINAPI run(DWORD count, wchar_t **words)
{
    handle = RegisterServiceCtrlHandlerExW(L"", control, NULL);
    SetServiceStatus(handle, &status);
    WaitForSingleObject(stopped, INFINITE);
    status.dwCurrentState = SERVICE_STOPPED;
    SetServiceStatus(handle, &status);
    // At once: whoever waited for this deletes the program next, and Wine's installer leaves the folder of one that
    // still runs.
    TerminateProcess(GetCurrentProcess(), 0);
}

int wmain(void)
{
    SERVICE_TABLE_ENTRYW table[] = {{L"", run}, {NULL, NULL}};
    stopped = CreateEventW(NULL, TRUE, FALSE, NULL);
    return StartServiceCtrlDispatcherW(table) ? 0 : 1;
}
