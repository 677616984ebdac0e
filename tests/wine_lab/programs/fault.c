// A tool that misbehaves: put in the place of any, it does what the lab's file `faults/NAME` says, NAME being the
// name it was started by. First line: `hang`, `flood` (a gigabyte of lines) or `exit CODE`; the rest is what it
// prints first, byte for byte.

#include "lab.h"

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
