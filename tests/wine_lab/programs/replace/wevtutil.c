// wevtutil: imitates `qe System` for the kernel's start event (Microsoft-Windows-Kernel-General, 12), of which each
// boot of a host has one (learn.microsoft.com/windows-server/administration/windows-commands/wevtutil). Every other
// question finds nothing.

#include "lab.h"

int wmain(int count, wchar_t **words)
{
    int i, kernel = 0;
    for (i = 1; i < count; i++)
        if (wcsstr(words[i], L"Microsoft-Windows-Kernel-General") && wcsstr(words[i], L"EventID=12"))
            kernel = 1;
    if (count < 3 || _wcsicmp(words[1], L"qe"))
        return 87;
    if (!kernel || _wcsicmp(words[2], L"System"))
        return 0;
    wchar_t *started = read_text(OUTSIDE L"started");
    if (!started)
        return 15001;
    out(L"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider "
        L"Name='Microsoft-Windows-Kernel-General' Guid='{a68ca8b7-004f-d7b6-a698-07e2de0f1f5d}'/><EventID>12</EventID>"
        L"<Version>1</Version><Level>4</Level><TimeCreated SystemTime='%ls'/><Channel>System</Channel></System>"
        L"<EventData><Data Name='MajorVersion'>10</Data><Data Name='MinorVersion'>0</Data>"
        L"<Data Name='BuildVersion'>18362</Data><Data Name='StartTime'>%ls</Data></EventData></Event>", started, started);
    return 0;
}
