// How schtasks and the Task Scheduler service of the lab speak: one line each way through a pipe.

#ifndef LAB_TASKS_H
#define LAB_TASKS_H

#include "lab.h"

#define PIPE L"\\\\.\\pipe\\lab-schedule"
#define FOLDER L"C:\\windows\\System32\\Tasks"
#define TREE L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tree"
#define BY_ID L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tasks"

typedef struct {
    wchar_t verb; // r: run, e: end, s: state, n: newly registered
    wchar_t name[260];
} Request;

typedef struct {
    DWORD error;       // 0, or why not
    DWORD state;       // 2 queued, 3 ready, 4 running (TASK_STATE of taskschd.h)
    DWORD last_result; // 267011 (SCHED_S_TASK_HAS_NOT_RUN) until it has run
} Answer;

// The text of the first element of this name after `from`, unescaped; 0 when there is none.
static inline int element(const wchar_t *from, const wchar_t *name, wchar_t *text, size_t size)
{
    wchar_t open[64], close[64];
    const wchar_t *begin, *end;
    size_t used = 0;
    static const struct { const wchar_t *entity; wchar_t is; } entities[] = {
        {L"&amp;", L'&'}, {L"&lt;", L'<'}, {L"&gt;", L'>'}, {L"&quot;", L'"'}, {L"&apos;", L'\''}};
    _snwprintf(open, 64, L"<%ls>", name);
    _snwprintf(close, 64, L"</%ls>", name);
    text[0] = 0;
    if (!(begin = wcsstr(from, open)) || !(end = wcsstr(begin, close)))
        return 0;
    for (begin += wcslen(open); begin < end && used + 1 < size;) {
        int i, found = 0;
        for (i = 0; i < 5 && *begin == L'&' && !found; i++)
            if (!wcsncmp(begin, entities[i].entity, wcslen(entities[i].entity))) {
                text[used++] = entities[i].is;
                begin += wcslen(entities[i].entity);
                found = 1;
            }
        if (!found)
            text[used++] = *begin++;
    }
    text[used] = 0;
    return 1;
}

// The file of a task, whose name begins with no backslash.
static inline void task_file(const wchar_t *name, wchar_t *path)
{
    _snwprintf(path, MAX_PATH * 2, FOLDER L"\\%ls", name);
}

#endif
