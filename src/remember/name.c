/* name.c: what a concept may be called, and by whom a name is taken. Names are any printable text:
 * markup in them is text like any other. */
#include "base/mem.h"
#include "base/text.h"
#include "remember/inside.h"

#include <stdlib.h>
#include <string.h>

/* ---- checking ---- */

static bool is_space(unsigned code)
{
    return code == ' ' || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200B) ||
           code == 0x202F || code == 0x205F || code == 0x2060 || code == 0x3000 || code == 0xFEFF;
}

/* The bounds of the text without spaces (also those of no width) around it. */
static void trim(const char **out_from, size_t *out_len, const char *text)
{
    const char *from = NULL, *to = text;
    unsigned code = 0;

    for (const char *c = text; *c;) {
        size_t used = text_decode(&code, c);
        if (used == 0) { /* not UTF-8: only the caller knows what to say */
            code = (unsigned char)*c;
            used = 1;
        }
        if (!is_space(code)) {
            from = from ? from : c;
            to = c + used;
        }
        c += used;
    }
    *out_from = from ? from : text;
    *out_len = from ? (size_t)(to - from) : 0;
}

rap_status name_check(char **out, const char *what, const char *text, rap_err *err)
{
    const char *from;
    size_t len;

    *out = NULL;
    if (!text)
        return err_set(err, RAP_E_ARGUMENT, "the %s is missing", what);
    if (!text_is_utf8(text))
        return err_set(err, RAP_E_ARGUMENT, "the %s is not valid UTF-8", what);
    if (text_has_control(text))
        return err_set(err, RAP_E_ARGUMENT,
                       "the %s has a line break or another control character in it", what);
    trim(&from, &len, text);
    if (len > STORE_MAX_NAME)
        return err_set(err, RAP_E_LIMIT, "the %s is %zu bytes long, the limit is %d", what, len,
                       STORE_MAX_NAME);
    *out = mem_string_n(from, len);
    if (!*out)
        return err_memory(err, "checking a name");
    return RAP_OK;
}

/* A name or an alias, which unlike a category cannot be empty. */
static rap_status name_check_filled(char **out, const char *what, const char *text, rap_err *err)
{
    rap_status status = name_check(out, what, text, err);

    if (status == RAP_OK && !**out) {
        free(*out);
        *out = NULL;
        return err_set(err, RAP_E_ARGUMENT, "the %s is empty", what);
    }
    return status;
}

rap_status info_check(const char *info, rap_err *err)
{
    if (strlen(info) > STORE_MAX_INFO)
        return err_set(err, RAP_E_LIMIT, "the info is %zu bytes long, the limit is %u",
                       strlen(info), STORE_MAX_INFO);
    if (!text_is_utf8(info))
        return err_set(err, RAP_E_ARGUMENT, "the info is not valid UTF-8");
    return RAP_OK;
}

char *name_fold(const char *text)
{
    const char *from;
    size_t len;
    char *trimmed, *folded;

    trim(&from, &len, text);
    trimmed = mem_string_n(from, len);
    folded = trimmed ? text_fold(trimmed) : NULL;
    free(trimmed);
    return folded;
}

/* ---- who has it ---- */

rap_status name_find(name_owner *out, store *s, const char *text, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    char *folded = text && text_is_utf8(text) ? name_fold(text) : mem_string("");
    rap_status status;

    *out = (name_owner){ false, false, 0 };
    if (!folded)
        return err_memory(err, "finding a name");
    status = db_borrow(&statement, &s->d, err,
                       "SELECT concept_id, alias FROM name WHERE folded = ?", "s", folded);
    if (status == RAP_OK)
        status = db_step(&out->found, &s->d, statement, err);
    if (out->found) {
        out->concept_id = sqlite3_column_int64(statement, 0);
        out->alias = sqlite3_column_int(statement, 1) != 0;
    }
    db_give_back(&s->d, statement);
    free(folded);
    return status;
}

rap_status name_require(int64_t *out_id, store *s, const char *text, rap_err *err)
{
    name_owner owner;
    rap_status status = name_find(&owner, s, text, err);

    *out_id = owner.concept_id;
    if (status == RAP_OK && !owner.found)
        return err_set(err, RAP_E_NOT_FOUND, "no concept is called '%s'", text ? text : "");
    return status;
}

rap_status name_taken(store *s, const name_owner *owner, const char *text, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status;

    if (!owner->alias)
        return err_set(err, RAP_E_EXISTS, "'%s' is already the name of a concept", text);
    status =
        db_query(&statement, &s->d, err, "SELECT text FROM name WHERE concept_id = ? AND alias = 0",
                 "i", owner->concept_id);
    if (status == RAP_OK)
        status = db_step(&row, &s->d, statement, err);
    if (row)
        status = err_set(err, RAP_E_EXISTS, "'%s' is already an alias of '%s'", text,
                         (const char *)sqlite3_column_text(statement, 0));
    else if (status == RAP_OK)
        status = err_set(err, RAP_E_EXISTS, "'%s' is already an alias", text);
    sqlite3_finalize(statement);
    return status;
}

/* ---- changing ---- */

static rap_status insert_checked(store *s, int64_t concept_id, const char *text, bool alias,
                                 rap_err *err)
{
    name_owner owner;
    char *folded = NULL;
    rap_status status = name_find(&owner, s, text, err);

    if (status == RAP_OK && owner.found)
        return name_taken(s, &owner, text, err);
    if (status == RAP_OK && !(folded = name_fold(text)))
        status = err_memory(err, "storing a name");
    if (status == RAP_OK)
        status = db_run(&s->d, err,
                        "INSERT INTO name (concept_id, alias, text, folded) VALUES (?, ?, ?, ?)",
                        "iiss", concept_id, (int64_t)alias, text, folded);
    free(folded);
    return status;
}

rap_status name_insert(store *s, int64_t concept_id, const char *text, bool alias, rap_err *err)
{
    char *checked = NULL;
    rap_status status = name_check_filled(&checked, alias ? "alias" : "name", text, err);

    if (status == RAP_OK)
        status = insert_checked(s, concept_id, checked, alias, err);
    free(checked);
    return status;
}

/* The new name may be the old one in other letters, or one of the concept's own aliases. */
rap_status name_rename(store *s, int64_t concept_id, const char *text, rap_err *err)
{
    char *checked = NULL;
    name_owner owner;
    rap_status status = name_check_filled(&checked, "name", text, err);

    if (status == RAP_OK)
        status = name_find(&owner, s, checked, err);
    if (status == RAP_OK && owner.found && owner.concept_id != concept_id)
        status = name_taken(s, &owner, checked, err);
    if (status == RAP_OK && owner.found && owner.alias)
        status = name_remove_alias(s, concept_id, checked, err);
    store_will_delete(s);
    if (status == RAP_OK)
        status = db_run(&s->d, err, "DELETE FROM name WHERE concept_id = ? AND alias = 0", "i",
                        concept_id);
    if (status == RAP_OK)
        status = insert_checked(s, concept_id, checked, false, err);
    free(checked);
    return status;
}

rap_status name_remove_alias(store *s, int64_t concept_id, const char *text, rap_err *err)
{
    char *folded = name_fold(text);
    rap_status status;

    if (!folded)
        return err_memory(err, "removing an alias");
    store_will_delete(s);
    status =
        db_run(&s->d, err, "DELETE FROM name WHERE concept_id = ? AND alias = 1 AND folded = ?",
               "is", concept_id, folded);
    if (status == RAP_OK && db_changed_rows(&s->d) == 0)
        status = err_set(err, RAP_E_NOT_FOUND, "'%s' is not an alias of this concept", text);
    free(folded);
    return status;
}

rap_status name_set_aliases(store *s, int64_t concept_id, const char *const *aliases, rap_err *err)
{
    rap_status status;

    store_will_delete(s);
    status =
        db_run(&s->d, err, "DELETE FROM name WHERE concept_id = ? AND alias = 1", "i", concept_id);
    for (; status == RAP_OK && aliases && *aliases; aliases++)
        status = name_insert(s, concept_id, *aliases, true, err);
    return status;
}
