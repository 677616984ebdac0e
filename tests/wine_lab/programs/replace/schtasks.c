// schtasks: imitates /create (from XML, and the short form by /tr), /run, /end, /query and /delete of Windows'
// (learn.microsoft.com/windows-server/administration/windows-commands/schtasks), in English; its messages are as
// Windows 10 prints them. Tasks are files of C:\Windows\System32\Tasks and keys of TaskCache, as there.
//
// As there, /create and /delete without /f ask on standard input; an XML file whose declaration says UTF-16 must
// be UTF-16; /tr takes at most 261 characters.

#include "tasks.h"

static int ask_service(wchar_t verb, const wchar_t *name, Answer *said)
{
    Request request = {verb, {0}};
    DWORD got;
    wcsncpy(request.name, name, 259);
    // Between two calls the service may have no pipe for a moment.
    for (int tries = 0; tries < 50; tries++) {
        if (CallNamedPipeW(PIPE, &request, sizeof request, said, sizeof *said, &got, 10000))
            return 1;
        DWORD error = GetLastError();
        if (error != ERROR_FILE_NOT_FOUND && error != ERROR_PIPE_BUSY && error != ERROR_SEM_TIMEOUT)
            return 0;
        Sleep(100);
    }
    return 0;
}

static int not_found(void)
{
    err(L"ERROR: The system cannot find the file specified.\n");
    return 1;
}

static int malformed(const wchar_t *where)
{
    err(L"ERROR: The task XML is malformed.\n%ls\n", where);
    return 1;
}

static int agreed(const wchar_t *question, const wchar_t *name)
{
    char line[64] = "";
    out(question, name);
    if (!fgets(line, sizeof line, stdin))
        return 0;
    return line[0] == 'y' || line[0] == 'Y';
}

static int create(const wchar_t *name, const wchar_t *file, const wchar_t *run, const wchar_t *when, int force)
{
    static wchar_t path[MAX_PATH * 2], made[4000], text[33000], key[600], id[64];
    wchar_t *xml;
    DWORD written;
    task_file(name, path);
    if (file) {
        if (!(xml = read_text(file)))
            return not_found();
        HANDLE raw = CreateFileW(file, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
        unsigned char mark[2] = {0};
        ReadFile(raw, mark, 2, &written, NULL);
        CloseHandle(raw);
        int wide = mark[0] == 0xff && mark[1] == 0xfe;
        const wchar_t *declared = wcsstr(xml, L"encoding=\"UTF-16\"");
        if (declared && !wide)
            return malformed(L"(1,40)::ERROR: unable to switch the encoding");
        if (wide && wcsstr(xml, L"encoding=\"UTF-8\""))
            return malformed(L"(1,38)::ERROR: unable to switch the encoding");
        if (!wcsstr(xml, L"http://schemas.microsoft.com/windows/2004/02/mit/task") || !wcsstr(xml, L"</Task>"))
            return malformed(L"(1,2)::ERROR: incorrect document syntax");
        if (!wcsstr(xml, L"<Actions") || !element(xml, L"Command", text, 33000))
            return malformed(L"(1,2):Actions:");
    } else {
        if (!run || !when) {
            err(L"ERROR: Invalid syntax. Mandatory option '%ls' is missing.\n", run ? L"sc" : L"tr");
            return 1;
        }
        if (wcslen(run) > 261) {
            err(L"ERROR: Value for '/TR' option cannot be more than 261 character(s).\n");
            return 1;
        }
        _snwprintf(made, 4000,
                   L"<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n<Task version=\"1.2\" "
                   L"xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\r\n  <Actions><Exec>"
                   L"<Command>cmd.exe</Command><Arguments>/c %ls</Arguments></Exec></Actions>\r\n</Task>\r\n", run);
        xml = made;
    }
    if (!force && GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES &&
        !agreed(L"WARNING: The task name \"%ls\" already exists. Do you want to replace it (Y/N)? ", name))
        return 1;
    // Folders of the name come into being with it.
    wchar_t *slash = path + wcslen(FOLDER);
    CreateDirectoryW(FOLDER, NULL);
    while ((slash = wcschr(slash + 1, L'\\'))) {
        *slash = 0;
        CreateDirectoryW(path, NULL);
        *slash = L'\\';
    }
    HANDLE to = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    if (to == INVALID_HANDLE_VALUE) {
        err(L"ERROR: Access is denied.\n");
        return 1;
    }
    WriteFile(to, L"\xfeff", 2, &written, NULL);
    WriteFile(to, xml, wcslen(xml) * 2, &written, NULL);
    CloseHandle(to);
    _snwprintf(id, 64, L"{%08lX-0000-4000-8000-%08lX%04lX}", GetTickCount(), GetCurrentProcessId(), rand() & 0xffff);
    _snwprintf(key, 600, TREE L"\\%ls", name);
    RegSetKeyValueW(HKEY_LOCAL_MACHINE, key, L"Id", REG_SZ, id, (wcslen(id) + 1) * 2);
    _snwprintf(text, 600, L"\\%ls", name);
    _snwprintf(key, 600, BY_ID L"\\%ls", id);
    RegSetKeyValueW(HKEY_LOCAL_MACHINE, key, L"Path", REG_SZ, text, (wcslen(text) + 1) * 2);
    Answer said;
    ask_service(L'n', name, &said);
    out(L"SUCCESS: The scheduled task \"%ls\" has successfully been created.\n", name);
    return 0;
}

static int delete(const wchar_t *name, int force)
{
    wchar_t path[MAX_PATH * 2], key[600], id[64] = L"";
    DWORD size = sizeof id;
    task_file(name, path);
    if (GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES)
        return not_found();
    if (!force && !agreed(L"WARNING: Are you sure you want to remove the task \"%ls\" (Y/N)? ", name))
        return 1;
    DeleteFileW(path);
    _snwprintf(key, 600, TREE L"\\%ls", name);
    RegGetValueW(HKEY_LOCAL_MACHINE, key, L"Id", RRF_RT_REG_SZ, NULL, id, &size);
    RegDeleteTreeW(HKEY_LOCAL_MACHINE, key);
    _snwprintf(key, 600, BY_ID L"\\%ls", id);
    if (id[0])
        RegDeleteTreeW(HKEY_LOCAL_MACHINE, key);
    out(L"SUCCESS: The scheduled task \"%ls\" was successfully deleted.\n", name);
    return 0;
}

static const wchar_t *const STATE[] = {L"Unknown", L"Disabled", L"Queued", L"Ready", L"Running"};

static void show(const wchar_t *name, const wchar_t *format, int verbose)
{
    Answer said = {0, 3, 267011};
    wchar_t host[64], path[MAX_PATH * 2], command[600] = L"", arguments[600] = L"";
    DWORD size = 64;
    ask_service(L's', name, &said);
    GetComputerNameW(host, &size);
    task_file(name, path);
    wchar_t *xml = read_text(path);
    if (xml) {
        element(xml, L"Command", command, 600);
        element(xml, L"Arguments", arguments, 600);
    }
    free(xml);
    const wchar_t *state = STATE[said.state <= 4 ? said.state : 0];
    if (!_wcsicmp(format, L"csv") && verbose)
        out(L"\"%ls\",\"\\%ls\",\"N/A\",\"%ls\",\"Interactive/Background\",\"N/A\",\"%ld\",\"N/A\",\"%ls %ls\",\"N/A\","
            L"\"N/A\",\"Enabled\",\"Disabled\",\"Stop On Battery Mode, No Start On Batteries\",\"SYSTEM\",\"Disabled\","
            L"\"72:00:00\",\"Scheduling data is not available in this format.\",\"On demand only\",\"N/A\",\"N/A\","
            L"\"N/A\",\"N/A\",\"N/A\",\"N/A\",\"N/A\",\"N/A\",\"N/A\"\n",
            host, name, state, (long)said.last_result, command, arguments);
    else if (!_wcsicmp(format, L"csv"))
        out(L"\"\\%ls\",\"N/A\",\"%ls\"\n", name, state);
    else if (!_wcsicmp(format, L"list")) {
        out(L"\nFolder: \\\nHostName:      %ls\nTaskName:      \\%ls\nNext Run Time: N/A\nStatus:        %ls\n", host, name, state);
        out(L"Logon Mode:    Interactive/Background\n");
        if (verbose)
            out(L"Last Run Time: N/A\nLast Result:   %ld\nTask To Run:   %ls %ls\n", (long)said.last_result, command, arguments);
    } else
        out(L"%-40ls N/A                    %-15ls\n", name, state);
}

static void show_folder(const wchar_t *folder, const wchar_t *format, int verbose, int xml)
{
    wchar_t search[MAX_PATH * 2], name[520];
    WIN32_FIND_DATAW found;
    _snwprintf(search, MAX_PATH * 2, FOLDER L"\\%ls*", folder);
    HANDLE at = FindFirstFileW(search, &found);
    if (at == INVALID_HANDLE_VALUE)
        return;
    do {
        if (!wcscmp(found.cFileName, L".") || !wcscmp(found.cFileName, L".."))
            continue;
        if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) {
            _snwprintf(name, 520, L"%ls%ls\\", folder, found.cFileName);
            show_folder(name, format, verbose, xml);
        } else {
            _snwprintf(name, 520, L"%ls%ls", folder, found.cFileName);
            show(name, format, verbose);
        }
    } while (FindNextFileW(at, &found));
    FindClose(at);
}

static int query(const wchar_t *name, const wchar_t *format, int verbose, int no_header, int xml)
{
    wchar_t path[MAX_PATH * 2];
    if (name) {
        task_file(name, path);
        if (GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES)
            return not_found();
        if (xml) {
            wchar_t *text = read_text(path);
            print_to(STD_OUTPUT_HANDLE, text);
            out(L"\n");
            return 0;
        }
    }
    if (!_wcsicmp(format, L"csv") && !no_header)
        out(verbose ? L"\"HostName\",\"TaskName\",\"Next Run Time\",\"Status\",\"Logon Mode\",\"Last Run Time\",\"Last Result\","
                      L"\"Author\",\"Task To Run\",\"Start In\",\"Comment\",\"Scheduled Task State\",\"Idle Time\","
                      L"\"Power Management\",\"Run As User\",\"Delete Task If Not Rescheduled\","
                      L"\"Stop Task If Runs X Hours and X Mins\",\"Schedule\",\"Schedule Type\",\"Start Time\","
                      L"\"Start Date\",\"End Date\",\"Days\",\"Months\",\"Repeat: Every\",\"Repeat: Until: Time\","
                      L"\"Repeat: Until: Duration\",\"Repeat: Stop If Still Running\"\n"
                    : L"\"TaskName\",\"Next Run Time\",\"Status\"\n");
    else if (!_wcsicmp(format, L"table") && !no_header)
        out(L"\nFolder: \\\nTaskName                                 Next Run Time          Status         \n"
            L"======================================== ====================== ===============\n");
    if (name)
        show(name, format, verbose);
    else
        show_folder(L"", format, verbose, xml);
    return 0;
}

int wmain(int count, wchar_t **words)
{
    const wchar_t *verb = count > 1 ? words[1] : L"/query", *name = NULL, *file = NULL, *run = NULL, *when = NULL;
    const wchar_t *format = L"table";
    int i, force = 0, verbose = 0, no_header = 0, xml = 0;
    Answer said = {0};
    for (i = 2; i < count; i++) {
        const wchar_t *word = words[i], *next = i + 1 < count ? words[i + 1] : NULL;
        if (!_wcsicmp(word, L"/tn") && next)
            name = words[++i];
        else if (!_wcsicmp(word, L"/xml") && next && next[0] != L'/')
            file = words[++i];
        else if (!_wcsicmp(word, L"/xml"))
            xml = 1;
        else if (!_wcsicmp(word, L"/tr") && next)
            run = words[++i];
        else if (!_wcsicmp(word, L"/sc") && next)
            when = words[++i];
        else if (!_wcsicmp(word, L"/fo") && next)
            format = words[++i];
        else if ((!_wcsicmp(word, L"/st") || !_wcsicmp(word, L"/sd") || !_wcsicmp(word, L"/ru") ||
                  !_wcsicmp(word, L"/rl") || !_wcsicmp(word, L"/rp")) && next)
            i++;
        else if (!_wcsicmp(word, L"/f"))
            force = 1;
        else if (!_wcsicmp(word, L"/v"))
            verbose = 1;
        else if (!_wcsicmp(word, L"/nh"))
            no_header = 1;
        else if (_wcsicmp(word, L"/i") && _wcsicmp(word, L"/hresult") && _wcsicmp(word, L"/z")) {
            err(L"ERROR: Invalid argument/option - '%ls'.\nType \"SCHTASKS /?\" for usage.\n", word);
            return 1;
        }
    }
    if (name && name[0] == L'\\')
        name++;
    if (!_wcsicmp(verb, L"/query"))
        return query(name, format, verbose, no_header, xml);
    if (!name) {
        err(L"ERROR: Invalid syntax. Mandatory option 'tn' is missing.\nType \"SCHTASKS /?\" for usage.\n");
        return 1;
    }
    if (!_wcsicmp(verb, L"/create"))
        return create(name, file, run, when, force);
    if (!_wcsicmp(verb, L"/delete"))
        return delete(name, force);
    if (!_wcsicmp(verb, L"/run")) {
        if (!ask_service(L'r', name, &said) || said.error)
            return not_found();
        out(L"SUCCESS: Attempted to run the scheduled task \"%ls\".\n", name);
        return 0;
    }
    if (!_wcsicmp(verb, L"/end")) {
        ask_service(L'e', name, &said);
        out(L"SUCCESS: The scheduled task \"%ls\" has been terminated successfully.\n", name);
        return 0;
    }
    err(L"ERROR: Invalid argument/option - '%ls'.\nType \"SCHTASKS /?\" for usage.\n", verb);
    return 1;
}
