// A vendor's own uninstaller, as products without Windows Installer have it, and some with it too.
//   /takes=SECONDS   works so long
//   /until=FILE      works until this file is there, if that is sooner
//   /detach=SECONDS  returns 0 at once; a copy of it in %TEMP% does the work after so many seconds
//   /key=KEY         deletes this registry key (HKLM\..., HKLM32\... for the 32-bit view, HKCU\...), may come twice
//   /dir=FOLDER      deletes this folder
//   /code=N          its exit code; N other than 0, 3010 or 1641 deletes nothing
//   /S               is what makes real ones silent: without it this one waits for a click that never comes

#include "lab.h"

static void delete_folder(const wchar_t *folder)
{
    wchar_t search[MAX_PATH * 2], path[MAX_PATH * 2];
    WIN32_FIND_DATAW found;
    _snwprintf(search, MAX_PATH * 2, L"%ls\\*", folder);
    HANDLE at = FindFirstFileW(search, &found);
    if (at == INVALID_HANDLE_VALUE)
        return;
    do {
        if (!wcscmp(found.cFileName, L".") || !wcscmp(found.cFileName, L".."))
            continue;
        _snwprintf(path, MAX_PATH * 2, L"%ls\\%ls", folder, found.cFileName);
        if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
            delete_folder(path);
        else
            DeleteFileW(path);
    } while (FindNextFileW(at, &found));
    FindClose(at);
    RemoveDirectoryW(folder);
}

static void delete_key(const wchar_t *key)
{
    HKEY root = !_wcsnicmp(key, L"HKCU", 4) ? HKEY_CURRENT_USER : HKEY_LOCAL_MACHINE, parent;
    REGSAM view = !_wcsnicmp(key, L"HKLM32", 6) ? KEY_WOW64_32KEY : KEY_WOW64_64KEY;
    wchar_t path[600], *last;
    wcsncpy(path, wcschr(key, L'\\') + 1, 599);
    if (!(last = wcsrchr(path, L'\\')))
        return;
    *last = 0;
    if (!RegOpenKeyExW(root, path, 0, KEY_ALL_ACCESS | view, &parent))
        RegDeleteTreeW(parent, last + 1);
}

int wmain(int count, wchar_t **words)
{
    static wchar_t self[MAX_PATH], copy[MAX_PATH], line[4000];
    const wchar_t *keys[2] = {0}, *folder = NULL, *detach = NULL, *until = NULL;
    int i, code = 0, seconds = 0, many = 0, silent = 0;
    for (i = 1; i < count; i++) {
        if (!wcsncmp(words[i], L"/takes=", 7))
            seconds = _wtoi(words[i] + 7);
        else if (!wcsncmp(words[i], L"/until=", 7))
            until = words[i] + 7;
        else if (!wcsncmp(words[i], L"/detach=", 8))
            detach = words[i] + 8;
        else if (!wcsncmp(words[i], L"/key=", 5) && many < 2)
            keys[many++] = words[i] + 5;
        else if (!wcsncmp(words[i], L"/dir=", 5))
            folder = words[i] + 5;
        else if (!wcsncmp(words[i], L"/code=", 6))
            code = _wtoi(words[i] + 6);
        else if (!wcscmp(words[i], L"/S"))
            silent = 1;
    }
    record(L"setups", L"begin\t%ls\n", GetCommandLineW());
    if (!silent)
        Sleep(INFINITE);
    if (detach) {
        STARTUPINFOW start = {sizeof start};
        PROCESS_INFORMATION child;
        GetModuleFileNameW(NULL, self, MAX_PATH);
        GetTempPathW(MAX_PATH, copy);
        wcscat(copy, L"_uninst.exe");
        CopyFileW(self, copy, FALSE);
        _snwprintf(line, 4000, L"\"%ls\" /S /takes=%ls", copy, detach);
        for (i = 1; i < count; i++)
            if (wcsncmp(words[i], L"/detach=", 8) && wcscmp(words[i], L"/S")) {
                wcscat(line, L" \"");
                wcscat(line, words[i]);
                wcscat(line, L"\"");
            }
        if (!CreateProcessW(NULL, line, NULL, NULL, FALSE, DETACHED_PROCESS, NULL, L"C:\\", &start, &child))
            return 1;
        return 0;
    }
    for (i = 0; i < seconds * 10; i++) {
        if (until && GetFileAttributesW(until) != INVALID_FILE_ATTRIBUTES)
            break;
        Sleep(100);
    }
    if (!code || code == 3010 || code == 1641) {
        for (i = 0; i < many; i++)
            delete_key(keys[i]);
        // A program that runs cannot be deleted, but it can be moved.
        GetModuleFileNameW(NULL, self, MAX_PATH);
        GetTempPathW(MAX_PATH, copy);
        wcscat(copy, L"_gone.exe");
        if (folder && !_wcsnicmp(self, folder, wcslen(folder)))
            MoveFileExW(self, copy, MOVEFILE_REPLACE_EXISTING);
        if (folder)
            delete_folder(folder);
    }
    record(L"setups", L"end\t%ls\n", GetCommandLineW());
    return code;
}
