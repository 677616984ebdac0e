// wevtutil: imitates `qe System` for the one event that tells when the system started (Kernel-General, 12), with
// /f:xml, as Windows' prints it (learn.microsoft.com/windows-server/administration/windows-commands/wevtutil). The
// time is when labboot last wrote the boot counter. Whatever else is asked is error 87, as there.

#include "lab.h"

int wmain(int count, wchar_t **words)
{
    const wchar_t *prefetch =
        L"SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management\\PrefetchParameters";
    int i, xml = 0, event = 0;
    HKEY key;
    FILETIME written;
    SYSTEMTIME at;
    for (i = 3; i < count; i++) {
        if (!_wcsnicmp(words[i], L"/q:", 3) && wcsstr(words[i], L"EventID=12"))
            event = 1;
        else if (!_wcsicmp(words[i], L"/f:xml"))
            xml = 1;
    }
    if (count < 3 || _wcsicmp(words[1], L"qe") || _wcsicmp(words[2], L"System") || !event || !xml) {
        err(L"The parameter is incorrect.\n");
        return ERROR_INVALID_PARAMETER;
    }
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, prefetch, 0, KEY_READ | KEY_WOW64_64KEY, &key) ||
        RegQueryInfoKeyW(key, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &written))
        return ERROR_FILE_NOT_FOUND;
    FileTimeToSystemTime(&written, &at);
    out(L"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        L"<Provider Name='Microsoft-Windows-Kernel-General' Guid='{a68ca8b7-004f-d7b6-a698-07e2de0f1f5d}'/>"
        L"<EventID>12</EventID><Channel>System</Channel></System><EventData>"
        L"<Data Name='MajorVersion'>10</Data><Data Name='MinorVersion'>0</Data><Data Name='BuildVersion'>18362</Data>"
        L"<Data Name='StartTime'>%04u-%02u-%02uT%02u:%02u:%02u.%03u000000Z</Data></EventData></Event>",
        at.wYear, at.wMonth, at.wDay, at.wHour, at.wMinute, at.wSecond, at.wMilliseconds);
    return 0;
}
