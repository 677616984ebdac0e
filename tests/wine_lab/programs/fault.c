// A tool that misbehaves: put in the place of any, it does what the lab's file `faults/NAME` says, NAME being the
// name it was started by. First line: `hang`, `flood` (a gigabyte of lines), `exit CODE`, or `once AFTER CODE` (it is the
// real tool but for one call, after so many); the rest is what it prints first, byte for byte.

#include "lab.h"

// What the real tool does when it is called in this way.
static int really(const wchar_t *name)
{
    static wchar_t line[33000];
    const wchar_t *words = GetCommandLineW();
    STARTUPINFOW start = {sizeof start};
    PROCESS_INFORMATION child;
    DWORD code = 98;
    int quoted = 0;
    for (; *words && (quoted || *words != L' '); words++)
        quoted ^= *words == L'"';
    _snwprintf(line, 33000, L"C:\\lab\\real-%ls.exe%ls", name, words);
    if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &child))
        return code;
    WaitForSingleObject(child.hProcess, INFINITE);
    GetExitCodeProcess(child.hProcess, &code);
    return code;
}

int wmain(void)
{
    static wchar_t self[MAX_PATH], path[MAX_PATH * 2];
    static char text[1 << 16], line[4096];
    wchar_t *name, *dot;
    DWORD got = 0, written;
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);
    GetModuleFileNameW(NULL, self, MAX_PATH);
    name = wcsrchr(self, L'\\') + 1;
    if ((dot = wcsrchr(name, L'.')))
        *dot = 0;
    _wcslwr(name);
    _snwprintf(path, MAX_PATH * 2, OUTSIDE L"faults\\%ls", name);
    HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE || !ReadFile(file, text, sizeof text - 1, &got, NULL))
        return 99;
    char *rest = strchr(text, '\n');
    if (rest) {
        rest++;
        WriteFile(output, rest, got - (rest - text), &written, NULL);
    }
    if (!strncmp(text, "once ", 5)) {
        unsigned left = 0, code = 0;
        sscanf(text + 5, "%u %u", &left, &code);
        // Calls one after the other are counted down, past the one that is meant.
        int used = left ? sprintf(text, "once %u %u\n", left - 1, code) : sprintf(text, "once %u 0\n", ~0u);
        CloseHandle(file);
        file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
        WriteFile(file, text, used, &written, NULL);
        CloseHandle(file);
        return left ? really(name) : (int)code;
    }
    if (!strncmp(text, "hang", 4))
        Sleep(INFINITE);
    if (!strncmp(text, "flood", 5)) {
        int i, lines = 1 << 18;
        memset(line, 'x', sizeof line);
        line[sizeof line - 2] = '\r';
        line[sizeof line - 1] = '\n';
        for (i = 0; i < lines; i++)
            if (!WriteFile(output, line, sizeof line, &written, NULL))
                return 1;
    }
    return strncmp(text, "exit ", 5) ? 0 : atoi(text + 5);
}
