// msiexec: stands before Wine's own, which does the work, and
// - records each call and its exit code with the lab, outside of what the host's drives show;
// - holds the mutex of Windows Installer: a second installation at the same time gets 1618 (in Wine both go on);
// - gives 1619 for a package that cannot be opened (Wine: 2);
// - reboots and gives 1641 where 3010 would be the answer, unless /norestart, /promptrestart or
//   REBOOT=ReallySuppress (or R) was given, for with /qn Windows does not ask;
// - keeps the uninstall entry of a product that is installed for the user alone in the user's hive (Wine: HKLM);
// - writes a log for /l as Windows does (but of ASCII: Wine's `type` cannot show UTF-16; with the properties of the command line in it, passwords too, and
//   what a package says whose condition does not hold).
// Codes: learn.microsoft.com/windows/win32/msi/error-codes; options: .../msi/command-line-options and
// .../msi/standard-installer-command-line-options; mutex: .../msi/-msiexecute-mutex.

#include "lab.h"
#include <msi.h>
#include <msiquery.h>

static int is_option(const wchar_t *word, const wchar_t *name)
{
    return (word[0] == L'/' || word[0] == L'-') && !_wcsicmp(word + 1, name);
}

// What a product whose condition does not hold says, as Windows logs it: `Product: NAME -- MESSAGE`.
static void refusal(const wchar_t *product, wchar_t *text, DWORD size)
{
    static wchar_t package[MAX_PATH], name[200], message[400];
    DWORD length = MAX_PATH;
    MSIHANDLE database, view, row;
    text[0] = 0;
    if (!product || MsiGetProductInfoW(product, L"LocalPackage", package, &length))
        return;
    length = 200;
    if (MsiGetProductInfoW(product, L"InstalledProductName", name, &length))
        return;
    if (MsiOpenDatabaseW(package, MSIDBOPEN_READONLY, &database))
        return;
    length = 400;
    if (!MsiDatabaseOpenViewW(database, L"SELECT `Description` FROM `LaunchCondition`", &view) &&
        !MsiViewExecute(view, 0) && !MsiViewFetch(view, &row) && !MsiRecordGetStringW(row, 1, message, &length))
        _snwprintf(text, size, L"MSI (s) (4C:D0) [00:00:00:000]: Product: %ls -- %ls\r\n", name, message);
    MsiCloseAllHandles();
}

static void write_log(const wchar_t *path, const wchar_t *properties, const wchar_t *product, DWORD code)
{
    static wchar_t text[40000], said[1000];
    DWORD written;
    if (code == 1603)
        refusal(product, said, 1000);
    _snwprintf(text, 40000,
               L"=== Verbose logging started: 01/01/2025  00:00:00  Build type: SHIP UNICODE 5.00.10011.00  "
               L"Calling process: C:\\Windows\\System32\\msiexec.exe ===\r\n"
               L"MSI (c) (A4:B8) [00:00:00:000]: Command Line: %ls CURRENTDIRECTORY=C:\\ CLIENTUILEVEL=3 "
               L"CLIENTPROCESSID=%lu\r\n%ls"
               L"MSI (s) (4C:D0) [00:00:00:000]: MainEngineThread is returning %lu\r\n"
               L"=== Verbose logging stopped: 01/01/2025  00:00:00 ===\r\n",
               properties, GetCurrentProcessId(), said, code);
    HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return;
    static char narrow[80000];
    int length = WideCharToMultiByte(CP_UTF8, 0, text, -1, narrow, sizeof narrow, NULL, NULL);
    WriteFile(file, narrow, length > 0 ? length - 1 : 0, &written, NULL);
    CloseHandle(file);
}

#define UNINSTALL L"Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall"

// Moves the entries of per-user products from the machine's hive to the user's.
static void move_entries(void)
{
    HKEY machine, user, from, to;
    wchar_t code[64], state[16];
    DWORD index = 0, size = 16;
    RegCreateKeyExW(HKEY_CURRENT_USER, UNINSTALL, 0, NULL, 0, KEY_ALL_ACCESS, NULL, &user, NULL);
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, UNINSTALL, 0, KEY_ALL_ACCESS, &machine))
        return;
    while (!RegEnumKeyW(machine, index++, code, 64)) {
        size = 16;
        if (code[0] != L'{' ||
            MsiGetProductInfoExW(code, NULL, MSIINSTALLCONTEXT_USERUNMANAGED, L"State", state, &size))
            continue;
        RegCreateKeyExW(user, code, 0, NULL, 0, KEY_ALL_ACCESS, NULL, &to, NULL);
        if (!RegOpenKeyExW(machine, code, 0, KEY_ALL_ACCESS, &from) && !RegCopyTreeW(from, NULL, to)) {
            RegCloseKey(from);
            RegDeleteTreeW(machine, code);
            index--;
        }
        RegCloseKey(to);
    }
}

// Takes the entry of a product that is gone out of the user's hive.
static void forget_entry(const wchar_t *code)
{
    wchar_t key[200];
    if (code && code[0] == L'{') {
        _snwprintf(key, 200, UNINSTALL L"\\%ls", code);
        RegDeleteTreeW(HKEY_CURRENT_USER, key);
    }
}

int wmain(int count, wchar_t **words)
{
    static wchar_t line[33000], properties[33000];
    const wchar_t *log = NULL, *package = NULL, *product = NULL;
    int i, works = 0, installs = 0, may_restart = 1;
    STARTUPINFOW start = {sizeof start};
    PROCESS_INFORMATION child;
    DWORD code = 1603, me = GetCurrentProcessId();
    HANDLE mutex = NULL;
    for (i = 1; i < count; i++) {
        wchar_t *word = words[i];
        if (is_option(word, L"i") || is_option(word, L"package")) {
            works = installs = 1;
            package = i + 1 < count ? words[i + 1] : NULL;
        } else if (is_option(word, L"x") || is_option(word, L"uninstall")) {
            works = 1;
            product = i + 1 < count ? words[i + 1] : NULL;
        } else if (is_option(word, L"norestart") || is_option(word, L"promptrestart"))
            may_restart = 0;
        else if ((word[0] == L'/' || word[0] == L'-') && (word[1] == L'l' || word[1] == L'L') && i + 1 < count)
            log = words[++i];
        else if (wcschr(word, L'=')) {
            if (!_wcsnicmp(word, L"REBOOT=R", 8))
                may_restart = 0;
            wcsncat(properties, word, 32000 - wcslen(properties));
            wcscat(properties, L" ");
        }
    }
    if (works) {
        record(L"msiexec", L"begin\t%lu\t%ls\n", me, GetCommandLineW());
        mutex = CreateMutexW(NULL, FALSE, L"Global\\_MSIExecute");
        DWORD waited = WaitForSingleObject(mutex, 0);
        if (waited != WAIT_OBJECT_0 && waited != WAIT_ABANDONED) {
            record(L"msiexec", L"end\t%lu\t1618\n", me);
            return 1618;
        }
        if (installs && package && GetFileAttributesW(package) == INVALID_FILE_ATTRIBUTES) {
            record(L"msiexec", L"end\t%lu\t1619\n", me);
            return 1619;
        }
    }
    // Out of the SSH session's job and away from its pipes: on Windows the work is done by the service msiserver.
    SECURITY_ATTRIBUTES inherit = {sizeof inherit, NULL, TRUE};
    HANDLE nothing = CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit, OPEN_EXISTING, 0, NULL);
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdInput = start.hStdOutput = start.hStdError = nothing;
    wcsncpy(line, GetCommandLineW(), 32999);
    if (!CreateProcessW(L"C:\\lab\\winemsi.exe", line, NULL, NULL, TRUE, CREATE_BREAKAWAY_FROM_JOB, NULL, NULL, &start, &child))
        return 1603;
    WaitForSingleObject(child.hProcess, INFINITE);
    GetExitCodeProcess(child.hProcess, &code);
    if (works) {
        int done = !code || code == 3010;
        if (done && installs)
            move_entries();
        if (done && product)
            forget_entry(product);
        if (code == 3010 && may_restart) {
            code = 1641;
            record(L"power", L"reboot 0\n");
        }
        if (log)
            write_log(log, properties, product, code);
        ReleaseMutex(mutex);
        record(L"msiexec", L"end\t%lu\t%lu\n", me, code);
    }
    return code;
}
