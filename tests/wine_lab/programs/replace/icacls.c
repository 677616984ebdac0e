// icacls: imitates, for one folder, /setowner, /inheritance:r with /grant:r of SIDs, and the listing of Windows'
// (learn.microsoft.com/windows-server/administration/windows-commands/icacls). Wine has no permissions, so what was
// granted is only remembered, by the folder's number on the disk. What nothing was granted
// on lists what a folder of %ProgramData% inherits. The flag `not-elevated` refuses, as Windows would.

#include "lab.h"

#define KEY L"SOFTWARE\\Lab\\Permissions"

static int identify(const wchar_t *path, wchar_t *id)
{
    BY_HANDLE_FILE_INFORMATION is;
    HANDLE at = CreateFileW(path, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
                            FILE_FLAG_BACKUP_SEMANTICS, NULL);
    if (at == INVALID_HANDLE_VALUE || !GetFileInformationByHandle(at, &is)) {
        err(L"%ls: The system cannot find the file specified.\n", path);
        return 0;
    }
    CloseHandle(at);
    _snwprintf(id, 80, L"%08lx%08lx", is.nFileIndexHigh, is.nFileIndexLow);
    return 1;
}

static const wchar_t *name_of(const wchar_t *sid)
{
    if (!wcscmp(sid, L"S-1-5-18"))
        return L"NT AUTHORITY\\SYSTEM";
    if (!wcscmp(sid, L"S-1-5-32-544"))
        return L"BUILTIN\\Administrators";
    return sid;
}

int wmain(int count, wchar_t **words)
{
    wchar_t id[80], text[2000] = L"", *line, *rest;
    DWORD size = sizeof text;
    int i, granting = 0, changed = 0;
    if (count < 2 || !identify(words[1], id))
        return 2;
    if (count > 2 && flag_is_set(L"not-elevated")) {
        err(L"%ls: Access is denied.\n", words[1]);
        return 5;
    }
    for (i = 2; i < count; i++) {
        if (!_wcsicmp(words[i], L"/setowner") && i + 1 < count) {
            i++;
        } else if (!_wcsicmp(words[i], L"/inheritance:r")) {
            changed = 1;
        } else if (!_wcsicmp(words[i], L"/grant:r")) {
            granting = changed = 1;
        } else if (granting && words[i][0] == L'*' && (line = wcsstr(words[i], L":(OI)(CI)F"))) {
            *line = 0;
            wcscat(text, name_of(words[i] + 1));
            wcscat(text, L":(OI)(CI)(F)\n");
        } else {
            err(L"Invalid parameter \"%ls\"\n", words[i]);
            return 87;
        }
    }
    if (changed) {
        RegSetKeyValueW(HKEY_LOCAL_MACHINE, KEY, id, REG_SZ, text, (wcslen(text) + 1) * sizeof *text);
    } else if (count == 2) {
        if (RegGetValueW(HKEY_LOCAL_MACHINE, KEY, id, RRF_RT_REG_SZ, NULL, text, &size))
            wcscpy(text, L"NT AUTHORITY\\SYSTEM:(I)(OI)(CI)(F)\nBUILTIN\\Administrators:(I)(OI)(CI)(F)\n"
                         L"CREATOR OWNER:(I)(OI)(CI)(IO)(F)\nBUILTIN\\Users:(I)(OI)(CI)(RX)\n"
                         L"BUILTIN\\Users:(I)(CI)(WD,AD,WEA,WA)\n");
        for (line = text; *line; line = rest) {
            rest = wcschr(line, L'\n');
            *rest++ = 0;
            out(L"%*ls %ls\n", (int)wcslen(words[1]), line == text ? words[1] : L"", line);
        }
        out(L"\n");
    }
    out(L"Successfully processed 1 files; Failed processing 0 files\n");
    return 0;
}
