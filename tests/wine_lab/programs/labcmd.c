// labcmd STATUS_FILE MODE: runs the command of the environment variable LABCMD as Win32-OpenSSH's sshd does,
// and writes its exit code, all 32 bits of it, into STATUS_FILE, which it makes first of all.
//
// Imitates do_exec_windows of PowerShell/openssh-portable (contrib/win32/win32compat/w32-doexec.c):
// - without a pty the line is `"c:\windows\system32\cmd.exe" /c "COMMAND"`, with no escaping whatever, in the
//   user's profile, with pipes as its standard handles;
// - PROMPT is `USER@COMPUTER $P$G`;
// - the process is put into a job with "kill on job close" and "breakaway ok", whose only handle that stays open
//   is duplicated into the process itself: when *it* ends, everything it started ends with it, and when only
//   the connection ends, it goes on (PowerShell/Win32-OpenSSH issue 1751).
// MODE `kill` keeps the handle here instead: then the end of labcmd, that is, of the connection, ends all of it.

#include "lab.h"

int wmain(int count, wchar_t **words)
{
    static wchar_t command[32768], line[33000], profile[MAX_PATH], prompt[300], user[100], computer[100];
    STARTUPINFOW start = {sizeof start};
    PROCESS_INFORMATION child;
    DWORD code = 255, written;
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    HANDLE job, copy;
    char text[16];
    if (count != 3)
        return 2;
    // Without this file it never began: where the lab may not fix addresses (base.rs), Wine at times does not.
    CloseHandle(CreateFileW(words[1], GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL));
    GetEnvironmentVariableW(L"LABCMD", command, 32768);
    SetEnvironmentVariableW(L"LABCMD", NULL);
    GetEnvironmentVariableW(L"USERPROFILE", profile, MAX_PATH);
    GetEnvironmentVariableW(L"USERNAME", user, 100);
    GetEnvironmentVariableW(L"COMPUTERNAME", computer, 100);
    _snwprintf(prompt, 300, L"%ls@%ls $P$G", user, computer);
    SetEnvironmentVariableW(L"PROMPT", prompt);
    if (command[0])
        _snwprintf(line, 33000, L"\"c:\\windows\\system32\\cmd.exe\" /c \"%ls\"", command);
    else
        wcscpy(line, L"\"c:\\windows\\system32\\cmd.exe\"");
    // Where the lab may not fix addresses (base.rs), Wine at times does not start a process, so that cmd does not know a
    // program that is there: 9009. Nothing was read or run then, in the latter case where the command is that one
    // program, so it is tried again.
    for (int tries = 0; tries < 5; tries++) {
        job = CreateJobObjectW(NULL, NULL);
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_BREAKAWAY_OK;
        SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
        BOOL started = CreateProcessW(NULL, line, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, profile, &start, &child);
        if (!started || !AssignProcessToJobObject(job, child.hProcess)) {
            fprintf(stderr, "labcmd: no process was started: error %lu\n", GetLastError());
            if (started)
                TerminateProcess(child.hProcess, 1);
            Sleep(300);
            continue;
        }
        if (wcscmp(words[2], L"kill")) {
            DuplicateHandle(GetCurrentProcess(), job, child.hProcess, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS);
            CloseHandle(job);
        }
        ResumeThread(child.hThread);
        WaitForSingleObject(child.hProcess, INFINITE);
        GetExitCodeProcess(child.hProcess, &code);
        if (code != 9009 || wcspbrk(command, L"&|"))
            break;
        Sleep(300);
    }
    HANDLE file = CreateFileW(words[1], GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    WriteFile(file, text, sprintf(text, "%lu\n", code), &written, NULL);
    CloseHandle(file);
    return 0;
}
