// where: imitates `where NAME...` and /q of Windows' (learn.microsoft.com/windows-server/administration/
// windows-commands/where): the current directory first, then PATH, with the endings of PATHEXT. Exit code 0, 1 when
// nothing was found (with INFO on standard error), 2 for wrong use.

#include "lab.h"

int wmain(int count, wchar_t **words)
{
    static wchar_t path[32768], endings[1024], folder[MAX_PATH], ending[64], full[MAX_PATH * 2];
    int i, quiet = 0, found = 0, asked = 0;
    GetEnvironmentVariableW(L"PATH", path + 2, 32760);
    path[0] = L'.';
    path[1] = L';';
    GetEnvironmentVariableW(L"PATHEXT", endings + 1, 1000);
    endings[0] = L';';
    for (i = 1; i < count; i++) {
        const wchar_t *at = path;
        if (!_wcsicmp(words[i], L"/q")) {
            quiet = 1;
            continue;
        }
        if (words[i][0] == L'/') {
            err(L"ERROR: Invalid argument or option - '%ls'.\nType \"WHERE /?\" for usage help.\n", words[i]);
            return 2;
        }
        asked = 1;
        while (*at) {
            size_t length = wcscspn(at, L";");
            const wchar_t *next = endings;
            wcsncpy(folder, at, length < MAX_PATH ? length : MAX_PATH - 1);
            folder[length < MAX_PATH ? length : MAX_PATH - 1] = 0;
            at += length + (at[length] == L';');
            if (!wcscmp(folder, L"."))
                GetCurrentDirectoryW(MAX_PATH, folder);
            for (;;) {
                size_t some = wcscspn(next, L";");
                wcsncpy(ending, next, some < 63 ? some : 63);
                ending[some < 63 ? some : 63] = 0;
                _snwprintf(full, MAX_PATH * 2, L"%ls\\%ls%ls", folder, words[i], ending);
                DWORD is = GetFileAttributesW(full);
                if (is != INVALID_FILE_ATTRIBUTES && !(is & FILE_ATTRIBUTE_DIRECTORY)) {
                    found = 1;
                    if (!quiet)
                        out(L"%ls\n", full);
                }
                if (!next[some])
                    break;
                next += some + 1;
            }
        }
    }
    if (!asked)
        return 2;
    if (!found && !quiet)
        err(L"INFO: Could not find files for the given pattern(s).\n");
    return found ? 0 : 1;
}
