/* name.c: valid names, and which concept has a name. Names are any printable text, kept as
 * typed except for the <brackets> that the paper puts around them, and compared folded (text_fold.h). */
#include "base/mem.h"
#include "base/text.h"
#include "base/text_fold.h"
#include "remember/inside.h"

#include <stdlib.h>
#include <string.h>

/* ---- checking ---- */

/* The checks shared by names, aliases and categories; the length is that of `plain`. */
static rap_status check_text(const char *what, const char *text, rap_err *err)
{
    if (!text)
        return err_set(err, RAP_E_ARGUMENT, "the %s is missing", what);
    if (!text_is_utf8(text))
        return err_set(err, RAP_E_ARGUMENT, "the %s is not valid UTF-8", what);
    if (text_has_control(text))
        return err_set(err, RAP_E_ARGUMENT,
                       "the %s has a line break or another control character in it", what);
    return RAP_OK;
}

static rap_status check_length(const char *what, const char *text, rap_err *err)
{
    if (strlen(text) > STORE_MAX_NAME)
        return err_set(err, RAP_E_LIMIT, "the %s is %zu bytes long, the limit is %d", what,
                       strlen(text), STORE_MAX_NAME);
    return RAP_OK;
}

rap_status category_check(char **out, const char *text, rap_err *err)
{
    const char *from;
    size_t len;
    rap_status status = check_text("category", text, err);

    *out = NULL;
    if (status != RAP_OK)
        return status;
    text_trim(&from, &len, text);
    *out = mem_string_n(from, len);
    status = *out ? check_length("category", *out, err) : err_memory(err, "checking a category");
    if (status != RAP_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* Does it contain anything to find it by? */
static rap_status check_filled(const char *what, const char *text, rap_err *err)
{
    char *folded = text_fold_name(text);
    rap_status status = RAP_OK;

    if (!folded)
        status = err_memory(err, "checking a name");
    else if (!*folded)
        status = err_set(err, RAP_E_ARGUMENT, "the %s is empty", what);
    else if (text_is_blank(folded))
        status = err_set(err, RAP_E_ARGUMENT,
                         "the %s has only marks in it that belong onto a letter", what);
    free(folded);
    return status;
}

rap_status name_check(char **out, const char *what, const char *text, rap_err *err)
{
    rap_status status = check_text(what, text, err);

    *out = NULL;
    if (status == RAP_OK && !(*out = text_plain_name(text)))
        status = err_memory(err, "checking a name");
    if (status == RAP_OK)
        status = check_length(what, *out, err);
    if (status == RAP_OK)
        status = check_filled(what, *out, err);
    if (status != RAP_OK) {
        free(*out);
        *out = NULL;
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

/* ---- who has it ---- */

rap_status name_find(name_owner *out, store *s, const char *text, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    char *folded = text && text_is_utf8(text) ? text_fold_name(text) : mem_string("");
    rap_status status;

    *out = (name_owner){ false, false, 0 };
    if (!folded)
        return err_memory(err, "finding a name");
    status =
        db_borrow(&statement, &s->d, err,
                  s->folds_anew ? "SELECT concept_id, alias FROM name WHERE fold_name(text) = ?"
                                : "SELECT concept_id, alias FROM name WHERE folded = ?",
                  "s", folded);
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
    if (status == RAP_OK && !(folded = text_fold_name(text)))
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
    rap_status status = name_check(&checked, alias ? "alias" : "name", text, err);

    if (status == RAP_OK)
        status = insert_checked(s, concept_id, checked, alias, err);
    free(checked);
    return status;
}

/* The new name may be another spelling of the old one, or one of the concept's own aliases. */
rap_status name_rename(store *s, int64_t concept_id, const char *text, rap_err *err)
{
    char *checked = NULL;
    name_owner owner;
    rap_status status = name_check(&checked, "name", text, err);

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
    char *folded = text_fold_name(text);
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
