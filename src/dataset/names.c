/* names.c: people's and pets' names in common use, made words, and made words with a number or a hyphen. */
#include "dataset/names.h"

#include "base/text.h"
#include "dataset/random.h"

#include <stdio.h>
#include <string.h>

static const char *const common[] = {
    "ada",   "alma",  "anton", "aria",  "bella", "ben",   "bruno",  "carla",  "chloe", "coco",
    "dana",  "diego", "ella",  "emil",  "felix", "finn",  "gina",   "gus",    "hana",  "hugo",
    "ida",   "ivan",  "jade",  "jonas", "kai",   "kira",  "leo",    "lola",   "luna",  "mara",
    "max",   "mia",   "milo",  "mochi", "nala",  "nico",  "nina",   "noor",   "olga",  "omar",
    "oscar", "pablo", "pia",   "quinn", "rosa",  "rocky", "ruby",   "sakura", "sam",   "simba",
    "sofia", "tara",  "theo",  "toby",  "uma",   "vera",  "viktor", "wanda",  "yara",  "zoe"
};

static const char *const onset[] = { "b",  "br", "c",  "ch", "d", "dr", "f", "g", "gr",
                                     "h",  "j",  "k",  "l",  "m", "n",  "p", "r", "s",
                                     "sh", "t",  "tr", "v",  "w", "y",  "z" };
static const char *const nucleus[] = { "a", "e", "i", "o", "u", "ai", "ee", "oo", "ou" };
static const char *const coda[] = { "", "", "", "n", "r", "l", "s", "m", "k", "x" };

#define PICK(d, list) (list)[draw_below((d), sizeof(list) / sizeof *(list))]

static void add_word(char *out, size_t size, draw *d)
{
    int syllables = 1 + (int)draw_below(d, 3);

    for (int i = 0; i < syllables; i++) {
        size_t used = strlen(out);

        snprintf(out + used, size - used, "%s%s%s", PICK(d, onset), PICK(d, nucleus),
                 i == syllables - 1 ? PICK(d, coda) : "");
    }
}

void dataset_name(char out[DATASET_NAME], uint64_t seed, const char *identity, int attempt)
{
    draw d = draw_for(seed + (uint64_t)attempt, "name", identity);
    double form = draw_share(&d);
    size_t used;

    out[0] = '\0';
    if (form < 0.3) {
        snprintf(out, DATASET_NAME, "%s", PICK(&d, common));
        return;
    }
    if (form >= 0.9)
        snprintf(out, DATASET_NAME, "my-");
    add_word(out, DATASET_NAME, &d);
    used = strlen(out);
    if (form >= 0.75 && form < 0.9)
        snprintf(out + used, DATASET_NAME - used, "%d", 1 + (int)draw_below(&d, 9));
}

int dataset_name_fits(const char *name)
{
    return *name && strlen(name) <= DATASET_NAME - 4 && text_is_utf8(name) &&
           !text_has_control(name) && !strpbrk(name, "<>");
}
