// What the lab's own programs share. They are built with mingw for x86-64 and run in Wine, in the place of
// tools that Wine has not, or of which it has a stub that prints nothing and exits with 0.
//
// As the real tools do, they print in the OEM code page, with CR LF, when their output is no console; a
// character that the code page has not becomes `?`.

#ifndef LAB_H
#define LAB_H

#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0601
#include <windows.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

// Where the lab keeps what a host must not reach through its drives: records, settings, the power switch.
#define OUTSIDE L"\\\\?\\unix\\media\\"

// Writes to one of the standard handles.
static void print_to(DWORD which, const wchar_t *text)
{
    HANDLE to = GetStdHandle(which);
    size_t length = wcslen(text), i;
    char bytes[8];
    DWORD written;
    char *buffer = malloc(length * 5 + 1);
    size_t used = 0;
    for (i = 0; i < length; i++) {
        int units = (text[i] >= 0xd800 && text[i] < 0xdc00 && i + 1 < length) ? 2 : 1;
        if (text[i] == L'\n')
            buffer[used++] = '\r';
        int got = WideCharToMultiByte(CP_OEMCP, 0, text + i, units, bytes, sizeof bytes, NULL, NULL);
        memcpy(buffer + used, bytes, got > 0 ? got : 0);
        used += got > 0 ? got : 0;
        i += units - 1;
    }
    WriteFile(to, buffer, used, &written, NULL);
    free(buffer);
}

static void format_to(DWORD which, const wchar_t *format, va_list arguments)
{
    size_t size = 1 << 16;
    wchar_t *text = malloc(size * sizeof *text);
    _vsnwprintf(text, size, format, arguments);
    text[size - 1] = 0;
    print_to(which, text);
    free(text);
}

// Prints to standard output.
static inline void out(const wchar_t *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    format_to(STD_OUTPUT_HANDLE, format, arguments);
    va_end(arguments);
}

// Prints to standard error.
static inline void err(const wchar_t *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    format_to(STD_ERROR_HANDLE, format, arguments);
    va_end(arguments);
}

// Adds a line (UTF-8) to a file of the lab; every writer appends as one piece.
static inline void record(const wchar_t *file, const wchar_t *format, ...)
{
    wchar_t path[MAX_PATH];
    size_t size = 1 << 15;
    wchar_t *text = malloc(size * sizeof *text);
    char *bytes = malloc(size * 3);
    va_list arguments;
    DWORD written;
    _snwprintf(path, MAX_PATH, OUTSIDE L"%ls", file);
    va_start(arguments, format);
    _vsnwprintf(text, size, format, arguments);
    text[size - 1] = 0;
    va_end(arguments);
    int length = WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, size * 3, NULL, NULL) - 1;
    HANDLE to = CreateFileW(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_ALWAYS, 0, NULL);
    if (to != INVALID_HANDLE_VALUE) {
        WriteFile(to, bytes, length, &written, NULL);
        CloseHandle(to);
    }
    free(text);
    free(bytes);
}

// Whether the lab has set a flag (a file) for this host.
static inline int flag_is_set(const wchar_t *name)
{
    wchar_t path[MAX_PATH];
    _snwprintf(path, MAX_PATH, OUTSIDE L"flags\\%ls", name);
    return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES;
}

// All of a file as UTF-16, whether it is UTF-16 with a mark, or UTF-8; NULL if it cannot be read.
static inline wchar_t *read_text(const wchar_t *path)
{
    HANDLE from = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    if (from == INVALID_HANDLE_VALUE)
        return NULL;
    DWORD size = GetFileSize(from, NULL), got = 0;
    char *bytes = calloc(1, size + 4);
    ReadFile(from, bytes, size, &got, NULL);
    CloseHandle(from);
    wchar_t *text;
    if (got >= 2 && (unsigned char)bytes[0] == 0xff && (unsigned char)bytes[1] == 0xfe) {
        text = calloc(got / 2 + 1, sizeof *text);
        memcpy(text, bytes + 2, got - 2);
    } else {
        int skip = got >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
        text = calloc(got + 1, sizeof *text);
        MultiByteToWideChar(CP_UTF8, 0, bytes + skip, got - skip, text, got + 1);
    }
    free(bytes);
    return text;
}

#endif
