// findstr: imitates /i /l /r /b /e /x /v /n /m /c: of Windows' (learn.microsoft.com/windows-server/
// administration/windows-commands/findstr) on files and standard input, byte for byte as there. Its patterns are
// findstr's own: . * ^ $ [class] \x \< \>; without /l or /r a pattern with one of them is a regular expression,
// without /c: words divided by spaces are alternatives. Exit code 0: a line was found, 1: none, 2: wrong use.

#include "lab.h"
#include <ctype.h>
#include <io.h>

static int ignore_case, literal = -1, begin, end, whole, invert, numbers, names_only;
static char patterns[64][512];
static int many;

static int same(char a, char b)
{
    return ignore_case ? tolower((unsigned char)a) == tolower((unsigned char)b) : a == b;
}

// Whether the pattern's first element matches this character; `next` is where the element ends.
static int one(const char *pattern, char is, const char **next)
{
    if (*pattern == '.') {
        *next = pattern + 1;
        return 1;
    }
    if (*pattern == '[') {
        int no = pattern[1] == '^', hit = 0;
        const char *at = pattern + 1 + no;
        for (; *at && *at != ']'; at++) {
            if (at[1] == '-' && at[2] && at[2] != ']') {
                hit |= is >= at[0] && is <= at[2];
                at += 2;
            } else
                hit |= same(*at, is);
        }
        *next = *at ? at + 1 : at;
        return hit != no;
    }
    if (*pattern == '\\' && pattern[1])
        pattern++;
    *next = pattern + 1;
    return same(*pattern, is);
}

static int word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

// Matches at exactly this place; gives the end of the match.
static const char *match(const char *pattern, const char *line, const char *at)
{
    const char *next, *rest;
    if (!*pattern)
        return (end || whole) && *at ? NULL : at;
    if (*pattern == '$' && !pattern[1])
        return *at ? NULL : at;
    if (*pattern == '^')
        return at == line ? match(pattern + 1, line, at) : NULL;
    if (pattern[0] == '\\' && (pattern[1] == '<' || pattern[1] == '>')) {
        int before = at > line && word_char(at[-1]), after = word_char(*at);
        return (pattern[1] == '<' ? !before && after : before && !after) ? match(pattern + 2, line, at) : NULL;
    }
    one(pattern, 'x', &next);
    if (*next == '*') {
        const char *furthest = at, *ignored;
        while (*furthest && one(pattern, *furthest, &ignored))
            furthest++;
        for (; furthest >= at; furthest--)
            if ((rest = match(next + 1, line, furthest)))
                return rest;
        return NULL;
    }
    return *at && one(pattern, *at, &next) ? match(next, line, at + 1) : NULL;
}

static int found_in(const char *pattern, const char *line)
{
    int regular = literal == 0 || (literal < 0 && strpbrk(pattern, ".*^$[\\"));
    const char *at;
    for (at = line;; at++) {
        if (regular && match(pattern, line, at))
            return 1;
        if (!regular) {
            size_t i = 0;
            while (pattern[i] && at[i] && same(pattern[i], at[i]))
                i++;
            if (!pattern[i] && (!(end || whole) || !at[i]))
                return 1;
        }
        if (!*at || begin || whole)
            return 0;
    }
}

static int search(FILE *from, const char *file)
{
    static char line[1 << 16];
    int hit = 0, number = 0, i;
    while (fgets(line, sizeof line, from)) {
        int found = 0;
        number++;
        line[strcspn(line, "\r\n")] = 0;
        for (i = 0; i < many && !found; i++)
            found = found_in(patterns[i], line);
        if (found == invert)
            continue;
        hit = 1;
        if (names_only) {
            printf("%s\r\n", file ? file : "");
            return 1;
        }
        if (file)
            printf("%s:", file);
        if (numbers)
            printf("%d:", number);
        printf("%s\r\n", line);
    }
    return hit;
}

static void add(const char *pattern, size_t length)
{
    if (many < 64 && length && length < 512) {
        memcpy(patterns[many], pattern, length);
        patterns[many++][length] = 0;
    }
}

int main_bytes(int count, char **words);

int wmain(int count, wchar_t **wide)
{
    char **words = calloc(count + 1, sizeof *words);
    int i;
    for (i = 0; i < count; i++) {
        words[i] = calloc(1, wcslen(wide[i]) * 4 + 1);
        WideCharToMultiByte(CP_OEMCP, 0, wide[i], -1, words[i], wcslen(wide[i]) * 4 + 1, NULL, NULL);
    }
    return main_bytes(count, words);
}

int main_bytes(int count, char **words)
{
    int i, files = 0, hit = 0;
    char *names[256];
    _setmode(1, 0x8000);
    for (i = 1; i < count; i++) {
        char *word = words[i], *at;
        if ((word[0] == '/' || word[0] == '-') && (word[1] == 'c' || word[1] == 'C') && word[2] == ':') {
            add(word + 3, strlen(word + 3));
            continue;
        }
        if (word[0] == '/' || word[0] == '-') {
            for (at = word + 1; *at; at++)
                switch (tolower((unsigned char)*at)) {
                case 'i': ignore_case = 1; break;
                case 'l': literal = 1; break;
                case 'r': literal = 0; break;
                case 'b': begin = 1; break;
                case 'e': end = 1; break;
                case 'x': whole = 1; break;
                case 'v': invert = 1; break;
                case 'n': numbers = 1; break;
                case 'm': names_only = 1; break;
                case 'p': case 's': case '/': break;
                default:
                    fprintf(stderr, "FINDSTR: /%c ignored\r\n", *at);
                }
            continue;
        }
        if (!many) {
            for (at = word; *at;) {
                size_t length = strcspn(at, " ");
                add(at, length);
                at += length + (at[length] == ' ');
            }
        } else if (files < 256)
            names[files++] = word;
    }
    if (!many) {
        fprintf(stderr, "FINDSTR: Bad command line\r\n");
        return 2;
    }
    if (!files)
        return search(stdin, NULL) ? 0 : 1;
    for (i = 0; i < files; i++) {
        FILE *file = fopen(names[i], "rb");
        if (!file) {
            fprintf(stderr, "FINDSTR: Cannot open %s\r\n", names[i]);
            continue;
        }
        hit |= search(file, files > 1 || names_only ? names[i] : NULL);
        fclose(file);
    }
    return hit ? 0 : 1;
}
