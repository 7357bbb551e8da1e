/* clip_clean.c: cleans text as CLIP's tokenizer expects it.
 *
 * The reference resolves HTML entities twice (its training captions came from web pages), applies
 * NFC, strips surrounding white space and lowercases. We resolve all numeric entities and the
 * named ones of HTML 4, including the forms that need no semicolon; the two thousand rare names
 * that HTML 5 added are left alone. The reference's ftfy repair of mis-decoded text is not
 * applied. */
#include "vision/clip_clean.h"
#include "base/buf.h"
#include "base/text.h"
#include "base/text_fold.h"

#include <glib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 64 << 10, MAX_NAME = 8 };

typedef struct entity {
    char name[MAX_NAME + 1];
    uint16_t code;
} entity;

/* Sorted by name. */
/* clang-format off */
static const entity entities[] = {
    { "AElig", 198 }, { "AMP", 38 }, { "Aacute", 193 }, { "Acirc", 194 }, { "Agrave", 192 },
    { "Alpha", 913 }, { "Aring", 197 }, { "Atilde", 195 }, { "Auml", 196 }, { "Beta", 914 },
    { "COPY", 169 }, { "Ccedil", 199 }, { "Chi", 935 }, { "Dagger", 8225 }, { "Delta", 916 },
    { "ETH", 208 }, { "Eacute", 201 }, { "Ecirc", 202 }, { "Egrave", 200 }, { "Epsilon", 917 },
    { "Eta", 919 }, { "Euml", 203 }, { "GT", 62 }, { "Gamma", 915 }, { "Iacute", 205 },
    { "Icirc", 206 }, { "Igrave", 204 }, { "Iota", 921 }, { "Iuml", 207 }, { "Kappa", 922 },
    { "LT", 60 }, { "Lambda", 923 }, { "Mu", 924 }, { "Ntilde", 209 }, { "Nu", 925 },
    { "OElig", 338 }, { "Oacute", 211 }, { "Ocirc", 212 }, { "Ograve", 210 }, { "Omega", 937 },
    { "Omicron", 927 }, { "Oslash", 216 }, { "Otilde", 213 }, { "Ouml", 214 }, { "Phi", 934 },
    { "Pi", 928 }, { "Prime", 8243 }, { "Psi", 936 }, { "QUOT", 34 }, { "REG", 174 },
    { "Rho", 929 }, { "Scaron", 352 }, { "Sigma", 931 }, { "THORN", 222 }, { "Tau", 932 },
    { "Theta", 920 }, { "Uacute", 218 }, { "Ucirc", 219 }, { "Ugrave", 217 }, { "Upsilon", 933 },
    { "Uuml", 220 }, { "Xi", 926 }, { "Yacute", 221 }, { "Yuml", 376 }, { "Zeta", 918 },
    { "aacute", 225 }, { "acirc", 226 }, { "acute", 180 }, { "aelig", 230 }, { "agrave", 224 },
    { "alefsym", 8501 }, { "alpha", 945 }, { "amp", 38 }, { "and", 8743 }, { "ang", 8736 },
    { "apos", 39 }, { "aring", 229 }, { "asymp", 8776 }, { "atilde", 227 }, { "auml", 228 },
    { "bdquo", 8222 }, { "beta", 946 }, { "brvbar", 166 }, { "bull", 8226 }, { "cap", 8745 },
    { "ccedil", 231 }, { "cedil", 184 }, { "cent", 162 }, { "chi", 967 }, { "circ", 710 },
    { "clubs", 9827 }, { "cong", 8773 }, { "copy", 169 }, { "crarr", 8629 }, { "cup", 8746 },
    { "curren", 164 }, { "dArr", 8659 }, { "dagger", 8224 }, { "darr", 8595 }, { "deg", 176 },
    { "delta", 948 }, { "diams", 9830 }, { "divide", 247 }, { "eacute", 233 }, { "ecirc", 234 },
    { "egrave", 232 }, { "empty", 8709 }, { "emsp", 8195 }, { "ensp", 8194 }, { "epsilon", 949 },
    { "equiv", 8801 }, { "eta", 951 }, { "eth", 240 }, { "euml", 235 }, { "euro", 8364 },
    { "exist", 8707 }, { "fnof", 402 }, { "forall", 8704 }, { "frac12", 189 }, { "frac14", 188 },
    { "frac34", 190 }, { "frasl", 8260 }, { "gamma", 947 }, { "ge", 8805 }, { "gt", 62 },
    { "hArr", 8660 }, { "harr", 8596 }, { "hearts", 9829 }, { "hellip", 8230 }, { "iacute", 237 },
    { "icirc", 238 }, { "iexcl", 161 }, { "igrave", 236 }, { "image", 8465 }, { "infin", 8734 },
    { "int", 8747 }, { "iota", 953 }, { "iquest", 191 }, { "isin", 8712 }, { "iuml", 239 },
    { "kappa", 954 }, { "lArr", 8656 }, { "lambda", 955 }, { "lang", 10216 }, { "laquo", 171 },
    { "larr", 8592 }, { "lceil", 8968 }, { "ldquo", 8220 }, { "le", 8804 }, { "lfloor", 8970 },
    { "lowast", 8727 }, { "loz", 9674 }, { "lrm", 8206 }, { "lsaquo", 8249 }, { "lsquo", 8216 },
    { "lt", 60 }, { "macr", 175 }, { "mdash", 8212 }, { "micro", 181 }, { "middot", 183 },
    { "minus", 8722 }, { "mu", 956 }, { "nabla", 8711 }, { "nbsp", 160 }, { "ndash", 8211 },
    { "ne", 8800 }, { "ni", 8715 }, { "not", 172 }, { "notin", 8713 }, { "nsub", 8836 },
    { "ntilde", 241 }, { "nu", 957 }, { "oacute", 243 }, { "ocirc", 244 }, { "oelig", 339 },
    { "ograve", 242 }, { "oline", 8254 }, { "omega", 969 }, { "omicron", 959 }, { "oplus", 8853 },
    { "or", 8744 }, { "ordf", 170 }, { "ordm", 186 }, { "oslash", 248 }, { "otilde", 245 },
    { "otimes", 8855 }, { "ouml", 246 }, { "para", 182 }, { "part", 8706 }, { "permil", 8240 },
    { "perp", 8869 }, { "phi", 966 }, { "pi", 960 }, { "piv", 982 }, { "plusmn", 177 },
    { "pound", 163 }, { "prime", 8242 }, { "prod", 8719 }, { "prop", 8733 }, { "psi", 968 },
    { "quot", 34 }, { "rArr", 8658 }, { "radic", 8730 }, { "rang", 10217 }, { "raquo", 187 },
    { "rarr", 8594 }, { "rceil", 8969 }, { "rdquo", 8221 }, { "real", 8476 }, { "reg", 174 },
    { "rfloor", 8971 }, { "rho", 961 }, { "rlm", 8207 }, { "rsaquo", 8250 }, { "rsquo", 8217 },
    { "sbquo", 8218 }, { "scaron", 353 }, { "sdot", 8901 }, { "sect", 167 }, { "shy", 173 },
    { "sigma", 963 }, { "sigmaf", 962 }, { "sim", 8764 }, { "spades", 9824 }, { "sub", 8834 },
    { "sube", 8838 }, { "sum", 8721 }, { "sup", 8835 }, { "sup1", 185 }, { "sup2", 178 },
    { "sup3", 179 }, { "supe", 8839 }, { "szlig", 223 }, { "tau", 964 }, { "there4", 8756 },
    { "theta", 952 }, { "thetasym", 977 }, { "thinsp", 8201 }, { "thorn", 254 }, { "tilde", 732 },
    { "times", 215 }, { "trade", 8482 }, { "uArr", 8657 }, { "uacute", 250 }, { "uarr", 8593 },
    { "ucirc", 251 }, { "ugrave", 249 }, { "uml", 168 }, { "upsih", 978 }, { "upsilon", 965 },
    { "uuml", 252 }, { "weierp", 8472 }, { "xi", 958 }, { "yacute", 253 }, { "yen", 165 },
    { "yuml", 255 }, { "zeta", 950 }, { "zwj", 8205 }, { "zwnj", 8204 },
};
/* clang-format on */
enum { ENTITY_COUNT = sizeof entities / sizeof *entities };

/* How browsers interpret 128 to 159: as Windows-1252. 0: unchanged. */
static const uint16_t windows[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

static int compare_entity(const void *a, const void *b)
{
    return strcmp(((const entity *)a)->name, ((const entity *)b)->name);
}

static unsigned find_entity(const char *name, size_t len)
{
    entity key = { .code = 0 };
    if (len == 0 || len > MAX_NAME)
        return 0;
    memcpy(key.name, name, len);
    const entity *e = bsearch(&key, entities, ENTITY_COUNT, sizeof key, compare_entity);
    return e ? e->code : 0;
}

static void add_code_point(buf *out, unsigned code)
{
    char bytes[4];
    buf_add(out, bytes, text_encode(bytes, code));
}

static bool is_nonsense(unsigned code)
{
    return (code >= 1 && code <= 8) || code == 0xb || (code >= 0xe && code <= 0x1f) ||
           code == 0x7f || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe;
}

static void add_number(buf *out, unsigned code)
{
    if (code >= 0x80 && code <= 0x9f)
        add_code_point(out, windows[code - 0x80] ? windows[code - 0x80] : code);
    else if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        add_code_point(out, 0xfffd);
    else if (!is_nonsense(code))
        add_code_point(out, code);
}

/* "&#…": returns the bytes consumed, 0 if it is not a number. */
static size_t add_numeric(buf *out, const char *at)
{
    unsigned base = at[2] == 'x' || at[2] == 'X' ? 16 : 10, code = 0;
    const char *first = at + (base == 16 ? 3 : 2), *p = first;
    for (;; p++) {
        int digit = base == 16 ? g_ascii_xdigit_value(*p) : g_ascii_digit_value(*p);
        if (digit < 0)
            break;
        if (code <= 0x10ffff)
            code = code * base + (unsigned)digit;
    }
    if (p == first)
        return 0;
    add_number(out, code);
    return (size_t)(p - at) + (*p == ';');
}

/* "&name": matches the longest name; without a semicolon only the old Latin-1 names. */
static size_t add_named(buf *out, const char *at)
{
    size_t len = strcspn(at + 1, "\t\n\f <&#;");
    unsigned code = at[1 + len] == ';' ? find_entity(at + 1, len) : 0;
    if (code) {
        add_code_point(out, code);
        return len + 2;
    }
    for (size_t part = len < MAX_NAME ? len : MAX_NAME; part > 1; part--) {
        code = find_entity(at + 1, part);
        if (code == 0 || code > 255 || code == '\'')
            continue;
        add_code_point(out, code);
        return part + 1;
    }
    return 0;
}

char *clip_unescape(const char *text)
{
    buf out = BUF_INIT;
    buf_puts(&out, "");
    while (*text) {
        size_t used = 0;
        if (*text == '&')
            used = text[1] == '#' ? add_numeric(&out, text) : add_named(&out, text);
        if (used == 0)
            buf_putc(&out, *text);
        text += used ? used : 1;
    }
    return buf_detach(&out);
}

/* ---- case --------------------------------------------------------------------------------- */

/* Cases that Python's lower() handles and glib's does not: letter-like numbers and symbols. */
static unsigned lower(unsigned code)
{
    if (code >= 0x2160 && code <= 0x216f)
        return code + 16;
    if (code >= 0x24b6 && code <= 0x24cf)
        return code + 26;
    return g_unichar_tolower(code);
}

static bool is_blank(unsigned code)
{
    return (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x20) || code == 0x85 ||
           (code >= 0x80 && g_unichar_isspace(code));
}

static bool is_cased(unsigned code)
{
    GUnicodeType type = g_unichar_type(code);
    return type == G_UNICODE_LOWERCASE_LETTER || type == G_UNICODE_UPPERCASE_LETTER ||
           type == G_UNICODE_TITLECASE_LETTER;
}

static char *lower_text(const char *text)
{
    buf out = BUF_INIT;
    bool in_word = false;
    unsigned code, next;
    size_t used;
    buf_puts(&out, "");
    for (; (used = text_decode(&code, text)) != 0; text += used) {
        if (code == 0x3a3) { /* sigma has a special form at the end of a word */
            bool more = text_decode(&next, text + used) && is_cased(next);
            add_code_point(&out, in_word && !more ? 0x3c2 : 0x3c3);
        } else if (code == 0x130) {
            add_code_point(&out, 'i');
            add_code_point(&out, 0x307);
        } else {
            add_code_point(&out, lower(code));
        }
        in_word = is_cased(code);
    }
    return buf_detach(&out);
}

static void strip(char *text)
{
    char *start = text, *end = text;
    unsigned code;
    size_t used;
    while ((used = text_decode(&code, start)) != 0 && is_blank(code))
        start += used;
    end = start;
    for (char *p = start; (used = text_decode(&code, p)) != 0; p += used)
        if (!is_blank(code))
            end = p + used;
    memmove(text, start, (size_t)(end - start));
    text[end - start] = '\0';
}

rap_status clip_clean(char **out, const char *text, rap_err *err)
{
    char *once = NULL, *twice = NULL, *composed = NULL;
    *out = NULL;
    if (strlen(text) > MAX_TEXT)
        return err_set(err, RAP_E_LIMIT, "a text is longer than %d bytes", MAX_TEXT);
    if (!text_is_utf8(text))
        return err_set(err, RAP_E_ARGUMENT, "the text is not UTF-8");
    if ((once = clip_unescape(text)) && (twice = clip_unescape(once)) &&
        (composed = text_compose(twice))) {
        strip(composed);
        *out = lower_text(composed);
    }
    free(composed);
    free(once);
    free(twice);
    return *out ? RAP_OK : err_memory(err, "reading a text");
}
