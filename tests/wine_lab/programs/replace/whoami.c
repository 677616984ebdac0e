// whoami: imitates /user, /groups and /priv of Windows' with /fo table|csv|list and /nh
// (learn.microsoft.com/windows-server/administration/windows-commands/whoami), in English. A host's user is an
// elevated administrator unless the lab's flag `not-elevated` is set: then Administrators is there for denying
// only and the mandatory label is medium (S-1-16-8192 in the place of S-1-16-12288).

#include "lab.h"

static const wchar_t *format = L"table";
static int headless;

static void row(int columns, const wchar_t *one, const wchar_t *two, const wchar_t *three, const wchar_t *four)
{
    const wchar_t *all[] = {one, two, three, four};
    int i;
    if (!_wcsicmp(format, L"csv")) {
        for (i = 0; i < columns; i++)
            out(L"%ls\"%ls\"", i ? L"," : L"", all[i]);
        out(L"\n");
        return;
    }
    for (i = 0; i < columns; i++)
        out(L"%-*ls ", i == 3 ? 60 : 40, all[i]);
    out(L"\n");
}

int wmain(int count, wchar_t **words)
{
    wchar_t user[100], computer[100], full[220];
    DWORD size = 100;
    int i, groups = 0, sid = 0, rights = 0, elevated = !flag_is_set(L"not-elevated");
    GetUserNameW(user, &size);
    size = 100;
    GetComputerNameW(computer, &size);
    _snwprintf(full, 220, L"%ls\\%ls", computer, user);
    _wcslwr(full);
    for (i = 1; i < count; i++) {
        if (!_wcsicmp(words[i], L"/groups"))
            groups = 1;
        else if (!_wcsicmp(words[i], L"/user"))
            sid = 1;
        else if (!_wcsicmp(words[i], L"/priv"))
            rights = 1;
        else if (!_wcsicmp(words[i], L"/fo") && i + 1 < count)
            format = words[++i];
        else if (!_wcsicmp(words[i], L"/nh"))
            headless = 1;
        else {
            err(L"ERROR: Invalid argument/option - '%ls'.\nType \"WHOAMI /?\" for usage.\n", words[i]);
            return 1;
        }
    }
    if (!groups && !sid && !rights) {
        out(L"%ls\n", full);
        return 0;
    }
    if (sid) {
        if (!headless)
            row(2, L"User Name", L"SID", L"", L"");
        row(2, full, L"S-1-5-21-1111111111-2222222222-3333333333-500", L"", L"");
    }
    if (groups) {
        const wchar_t *usual = L"Mandatory group, Enabled by default, Enabled group";
        if (!headless)
            row(4, L"Group Name", L"Type", L"SID", L"Attributes");
        row(4, L"Everyone", L"Well-known group", L"S-1-1-0", usual);
        row(4, L"BUILTIN\\Administrators", L"Alias", L"S-1-5-32-544",
            elevated ? L"Mandatory group, Enabled by default, Enabled group, Group owner" : L"Group used for deny only");
        row(4, L"BUILTIN\\Users", L"Alias", L"S-1-5-32-545", usual);
        row(4, L"NT AUTHORITY\\NETWORK", L"Well-known group", L"S-1-5-2", usual);
        row(4, elevated ? L"Mandatory Label\\High Mandatory Level" : L"Mandatory Label\\Medium Mandatory Level", L"Label",
            elevated ? L"S-1-16-12288" : L"S-1-16-8192", L"");
    }
    if (rights) {
        if (!headless)
            row(3, L"Privilege Name", L"Description", L"State", L"");
        row(3, L"SeShutdownPrivilege", L"Shut down the system", L"Disabled", L"");
        if (elevated) {
            row(3, L"SeBackupPrivilege", L"Back up files and directories", L"Enabled", L"");
            row(3, L"SeRestorePrivilege", L"Restore files and directories", L"Enabled", L"");
        }
    }
    return 0;
}
