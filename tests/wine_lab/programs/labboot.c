// labboot MACHINE_GUID: what happens to a host at each start, before anyone logs in.
//
// - Its machine GUID, which setup makes once, as every host is a copy of one prefix.
// - PrefetchParameters\BootId, which Windows counts up at each start.
// It then waits for the Task Scheduler, as a real host's sshd is there no earlier than the other services.

#include "lab.h"

static void set(HKEY root, const wchar_t *key, const wchar_t *name, DWORD type, const void *data, DWORD size)
{
    HKEY open;
    RegCreateKeyExW(root, key, 0, NULL, 0, KEY_SET_VALUE | KEY_WOW64_64KEY, NULL, &open, NULL);
    RegSetValueExW(open, name, 0, type, data, size);
    RegCloseKey(open);
}

int wmain(int count, wchar_t **words)
{
    const wchar_t *prefetch =
        L"SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management\\PrefetchParameters";
    DWORD boots = 0, size = sizeof boots;
    int tries;
    if (count != 2)
        return 2;
    set(HKEY_LOCAL_MACHINE, L"SOFTWARE\\Microsoft\\Cryptography", L"MachineGuid", REG_SZ, words[1],
        (wcslen(words[1]) + 1) * sizeof(wchar_t));
    RegGetValueW(HKEY_LOCAL_MACHINE, prefetch, L"BootId", RRF_RT_REG_DWORD, NULL, &boots, &size);
    boots++;
    set(HKEY_LOCAL_MACHINE, prefetch, L"BootId", REG_DWORD, &boots, sizeof boots);
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service = OpenServiceW(manager, L"Schedule", SERVICE_QUERY_STATUS | SERVICE_START);
    for (tries = 0; tries < 3000; tries++) {
        SERVICE_STATUS status = {0};
        if (QueryServiceStatus(service, &status) && status.dwCurrentState == SERVICE_RUNNING)
            return 0;
        Sleep(20);
    }
    return 1;
}
