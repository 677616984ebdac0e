// shutdown: imitates shutdown.exe of Windows for /r, /s, /t and /a, as its documentation describes them
// (learn.microsoft.com/windows-server/administration/windows-commands/shutdown). The lab's power switch does the rest.

#include "lab.h"

int wmain(int count, wchar_t **words)
{
    int i, reboot = 0, off = 0, seconds = 30;
    for (i = 1; i < count; i++) {
        if (!_wcsicmp(words[i], L"/r") || !_wcsicmp(words[i], L"-r"))
            reboot = 1;
        else if (!_wcsicmp(words[i], L"/s") || !_wcsicmp(words[i], L"-s"))
            off = 1;
        else if ((!_wcsicmp(words[i], L"/t") || !_wcsicmp(words[i], L"-t")) && i + 1 < count)
            seconds = _wtoi(words[++i]);
        else if (!_wcsicmp(words[i], L"/a") || !_wcsicmp(words[i], L"-a")) {
            err(L"Unable to abort the system shutdown because no shutdown was in progress.(1116)\n");
            return 1116;
        } else if (_wcsicmp(words[i], L"/f") && _wcsicmp(words[i], L"-f")) {
            err(L"The lab's shutdown does not know `%ls`\n", words[i]);
            return 1;
        }
    }
    if (!reboot && !off)
        return 1;
    record(L"power", L"%ls %d\n", reboot ? L"reboot" : L"off", seconds);
    return 0;
}
