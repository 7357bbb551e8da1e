/* text_fold.c: see text_fold.h. Unicode's tables are those of utf8proc; what it does not know is here:
 * which characters are typed for one another (plain), and what may be dropped (drop_invisible).
 *
 * Steps: characters typed for one another and invisible ones first; NFD; compatible decomposition with
 * full case folding; dots and blanks; NFC. The first NFD is what Unicode demands before folding: it
 * brings marks into order. */
#include "base/text_fold.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum {
    DOT_ABOVE = 0x307,
    JOINER = 0x200D,
    NOT_A_CHARACTER = 0xFFFD,
    CLASS_ABOVE = 230 /* the combining class of marks above a letter */
};

/* ---- one character ---- */

static bool is_one_of(unsigned code, const unsigned *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == code)
            return true;
    return false;
}
#define IS_ONE_OF(code, list) is_one_of(code, list, sizeof(list) / sizeof *(list))

static bool is_apostrophe(unsigned code)
{
    static const unsigned list[] = { '\'',   '`',    0xB4,   0x2B9,  0x2BB,  0x2BC,  0x2BD,
                                     0x2CA,  0x2CB,  0x55A,  0x5F3,  0x1FBD, 0x1FBF, 0x1FEF,
                                     0x1FFD, 0x2018, 0x2019, 0x201A, 0x201B, 0x2032, 0x2035,
                                     0x275B, 0x275C, 0xA78C, 0xFF07, 0xFF40 };

    return IS_ONE_OF(code, list);
}

static bool is_quote(unsigned code)
{
    static const unsigned list[] = { '"',    0x2BA,  0x5F4,  0x201C, 0x201D, 0x201E, 0x201F,
                                     0x2033, 0x2036, 0x275D, 0x275E, 0x301D, 0x301E, 0xFF02 };

    return IS_ONE_OF(code, list);
}

/* Those that are no dashes for Unicode but are typed as such. */
static bool is_dash(unsigned code)
{
    static const unsigned list[] = { 0x2D7, 0x2043, 0x207B, 0x208B, 0x2212 };

    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_PD ||
           IS_ONE_OF(code, list);
}

static bool is_space(unsigned code)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);

    return (code >= 9 && code <= 13) || code == 0x85 || code == 0x2800 || /* braille's blank */
           category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

/* The one character that replaces all those typed for one another. */
static unsigned plain(unsigned code)
{
    if (is_apostrophe(code))
        return '\'';
    if (is_quote(code))
        return '"';
    if (code == 0x301C || code == 0x223C) /* which systems exchange for the full-width tilde */
        return '~';
    if (code == 0x2044 || code == 0x2215) /* of fractions: ½ is 1/2 */
        return '/';
    if (code == 0x131)
        return 'i';
    if (code == 0x6CC) /* Persian letters that keyboards exchange for the Arabic ones */
        return 0x64A;
    if (code == 0x6A9)
        return 0x643;
    if (is_dash(code))
        return '-';
    return is_space(code) ? ' ' : code;
}

static const utf8proc_property_t *property_of(unsigned code)
{
    return utf8proc_get_property((utf8proc_int32_t)code);
}

static void add_code(buf *out, unsigned code)
{
    char bytes[4];

    buf_add(out, bytes, text_encode(bytes, code));
}

/* The next character, U+FFFD for a byte that begins none; 0 at the end. */
static size_t next_code(unsigned *out, const char *text)
{
    size_t used = text_decode(out, text);

    if (used || !*text)
        return used;
    *out = NOT_A_CHARACTER;
    return 1;
}

/* ---- steps ---- */

/* Is this part of the emoji before it: skin tone, keycap, the letters of a flag? */
static bool goes_on_emoji(unsigned code)
{
    return property_of(code)->boundclass == UTF8PROC_BOUNDCLASS_EXTEND;
}

static bool is_tag(unsigned code)
{
    return code >= 0xE0020 && code <= 0xE007F;
}

/* Lines that make a word wider: Arabic tatweel, N'Ko lajanyalan. */
static bool is_stretch(unsigned code)
{
    return code == 0x640 || code == 0x7FA;
}

/* Without what has no width. A joiner stays between two emoji, and tags stay behind one, because they
 * make it another; everywhere else they only say how to draw. */
static void drop_invisible(buf *out, const char *text)
{
    bool in_emoji = false, joins = false;
    unsigned code;

    for (size_t used; (used = next_code(&code, text)) != 0; text += used) {
        const utf8proc_property_t *p = property_of(code);
        bool emoji = p->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;

        if (code == JOINER)
            joins = in_emoji;
        if ((p->ignorable && !(is_tag(code) && in_emoji)) || is_stretch(code))
            continue;
        if (joins && emoji)
            add_code(out, JOINER);
        joins = false;
        in_emoji = emoji || (in_emoji && goes_on_emoji(code));
        add_code(out, plain(code));
    }
}

/* Without the dot above an i and what compatible forms stretch, and with single blanks between words. */
static void settle(buf *out, const char *text)
{
    bool after_i = false, blank = false;
    unsigned code;

    for (size_t used; (used = next_code(&code, text)) != 0; text += used) {
        int class = property_of(code)->combining_class;

        code = plain(code);
        if ((after_i && code == DOT_ABOVE) || is_stretch(code))
            continue;
        if (class == 0)
            after_i = code == 'i';
        else if (class == CLASS_ABOVE)
            after_i = false;
        if (code == ' ') {
            blank = out->len > 0;
            continue;
        }
        if (blank)
            buf_putc(out, ' ');
        blank = false;
        add_code(out, code);
    }
}

static char *map(const char *text, int options)
{
    utf8proc_uint8_t *mapped = NULL;

    if (utf8proc_map((const utf8proc_uint8_t *)text, 0, &mapped,
                     (utf8proc_option_t)(options | UTF8PROC_NULLTERM | UTF8PROC_STABLE)) < 0)
        return NULL;
    return (char *)mapped;
}

/* map() after one of the steps above. */
static char *map_step(void (*step)(buf *out, const char *text), const char *text, int options)
{
    buf b = BUF_INIT;
    char *mapped;

    step(&b, text);
    mapped = buf_failed(&b) ? NULL : map(buf_text(&b), options);
    buf_release(&b);
    return mapped;
}

static char *fold_unicode(const char *text)
{
    char *ordered = map_step(drop_invisible, text, UTF8PROC_DECOMPOSE);
    char *folded =
        ordered ? map(ordered, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD) : NULL;
    char *settled = folded ? map_step(settle, folded, UTF8PROC_COMPOSE) : NULL;

    free(ordered);
    free(folded);
    return settled;
}

/* ---- whole texts ---- */

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

/* What the steps above make of most texts, without them. */
static char *fold_ascii(const char *text)
{
    char *folded = malloc(strlen(text) + 1), *to = folded;
    bool blank = false;

    for (; folded && *text; text++) {
        if (*text == ' ' || (*text >= 9 && *text <= 13)) {
            blank = to > folded;
            continue;
        }
        if (blank)
            *to++ = ' ';
        blank = false;
        *to++ = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a')
                : *text == '`'               ? '\''
                                             : *text;
    }
    if (folded)
        *to = '\0';
    return folded;
}

char *text_fold(const char *text)
{
    return is_ascii(text) ? fold_ascii(text) : fold_unicode(text);
}

char *text_fold_name(const char *name)
{
    char *folded = text_fold(name), *from = folded, *to;

    if (!folded)
        return NULL;
    to = from + strlen(from);
    while (to - from >= 2 && *from == '<' && to[-1] == '>') {
        from++, to--;
        from += *from == ' ';
        to -= to > from && to[-1] == ' ';
    }
    if (from == folded || memchr(from, '<', (size_t)(to - from)) ||
        memchr(from, '>', (size_t)(to - from)))
        return folded;
    memmove(folded, from, (size_t)(to - from));
    folded[to - from] = '\0';
    return folded;
}

/* ---- the stored form of names ---- */

/* One character less at both ends where these are brackets, also full-width or small ones. */
static bool take_brackets(const char **from, size_t *len)
{
    static const char *const opening[] = { "<", "\uFF1C", "\uFE64" };
    static const char *const closing[] = { ">", "\uFF1E", "\uFE65" };
    size_t left = 0, right = 0;

    for (size_t i = 0; i < 3; i++) {
        size_t a = strlen(opening[i]), b = strlen(closing[i]);

        if (*len > a && strncmp(*from, opening[i], a) == 0)
            left = a;
        if (*len > b && strncmp(*from + *len - b, closing[i], b) == 0)
            right = b;
    }
    if (!left || !right || left + right > *len)
        return false;
    *from += left;
    *len -= left + right;
    return true;
}

static bool has_bracket(const char *text)
{
    static const char *const bracket[] = { "<", ">", "\uFF1C", "\uFF1E", "\uFE64", "\uFE65" };

    for (size_t i = 0; i < sizeof bracket / sizeof *bracket; i++)
        if (strstr(text, bracket[i]))
            return true;
    return false;
}

char *text_plain_name(const char *text)
{
    const char *from;
    size_t len;
    char *whole, *inner;

    text_trim(&from, &len, text);
    whole = mem_string_n(from, len);
    inner = mem_string_n(from, len);
    for (bool more = true; inner && more;) {
        char *shorter;

        text_trim(&from, &len, inner);
        more = take_brackets(&from, &len);
        shorter = mem_string_n(from, len);
        free(inner);
        inner = shorter;
    }
    if (inner && whole && has_bracket(inner)) { /* "<b>bo</b>" was meant as typed */
        free(inner);
        return whole;
    }
    free(whole);
    return inner;
}

bool text_same_name(const char *a, const char *b)
{
    char *x = text_fold_name(a), *y = text_fold_name(b);
    bool same = x && y && strcmp(x, y) == 0;

    free(x);
    free(y);
    return same;
}

bool text_is_blank(const char *folded)
{
    unsigned code;

    for (size_t used; (used = next_code(&code, folded)) != 0; folded += used) {
        utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
        bool mark = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
                    category == UTF8PROC_CATEGORY_ME;

        if (!mark && code != ' ' && !property_of(code)->ignorable)
            return false;
    }
    return true;
}

char *text_compose(const char *text)
{
    return map(text, UTF8PROC_COMPOSE);
}

char *text_decompose(const char *text)
{
    return map(text, UTF8PROC_DECOMPOSE);
}
