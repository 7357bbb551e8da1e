/* picture.c: picture files that a database.json names: where they may be, what kind they are. */
#include "base/file.h"
#include "base/mem.h"
#include "base/path_find.h"
#include "remember/transfer_inside.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The real path of `picture` under `root`: *out NULL when there is none. A link that leads outside is
 * an error. */
static rap_status locate_under(char **out, const char *root, const char *picture, rap_err *err)
{
    char *joined = path_join(root, picture);

    if (!joined)
        return err_memory(err, "finding a picture");
    *out = realpath(joined, NULL);
    free(joined);
    if (*out && !path_is_inside(*out, root)) {
        free(*out);
        *out = NULL;
        return err_set(err, RAP_E_FORMAT, "the image '%s' leads out of its folder", picture);
    }
    return RAP_OK;
}

static rap_status check_relative(const char *picture, rap_err *err)
{
    bool letter = (*picture >= 'a' && *picture <= 'z') || (*picture >= 'A' && *picture <= 'Z');

    if (!*picture)
        return err_set(err, RAP_E_FORMAT, "the field 'image' is empty");
    if (letter && picture[1] == ':' && (picture[2] == '/' || picture[2] == '\\'))
        return err_set(
            err, RAP_E_FORMAT,
            "the image '%s' is on a drive of Windows: make its path relative to the JSON", picture);
    if (picture[0] == '/')
        return err_set(err, RAP_E_FORMAT, "the image '%s' is not relative to the JSON", picture);
    if (path_climbs(picture))
        return err_set(err, RAP_E_FORMAT, "the image '%s' climbs out of its folder", picture);
    return RAP_OK;
}

static rap_status locate(char **out, const char *folder, const char *parent, const char *picture,
                         rap_err *err)
{
    rap_status status = check_relative(picture, err);

    *out = NULL;
    if (status == RAP_OK)
        status = locate_under(out, folder, picture, err);
    if (status == RAP_OK && !*out)
        status = locate_under(out, parent, picture, err);
    return status;
}

/* Also accepts the spelling of other systems (path_find.h). */
static rap_status locate_any(char **out, const char *folder, const char *parent,
                             const char *picture, rap_err *err)
{
    rap_status status = RAP_OK;

    *out = NULL;
    for (int i = 0; status == RAP_OK && !*out && i < PATH_SPELLINGS; i++) {
        char *spelled = path_spelling(picture, i);

        status = spelled ? locate(out, folder, parent, spelled, err)
                         : err_memory(err, "finding a picture");
        free(spelled);
    }
    return status;
}

rap_status picture_locate(char **out, const char *json_path, const char *picture, rap_err *err)
{
    char *given = path_folder(json_path), *folder = given ? realpath(given, NULL) : NULL;
    char *parent = folder ? path_folder(folder) : NULL;
    rap_status status = RAP_OK;

    *out = NULL;
    if (!parent)
        status = err_set(err, RAP_E_IO, "%s: its folder cannot be read", json_path);
    else
        status = locate_any(out, folder, parent, picture, err);
    if (status == RAP_OK && !*out)
        status = err_set(err, RAP_E_NOT_FOUND, "the image '%s' is not there", picture);
    free(given);
    free(folder);
    free(parent);
    return status;
}

const char *picture_extension(const void *bytes, size_t size)
{
    static const struct {
        const char *extension;
        size_t offset, len;
        const char *magic;
    } kinds[] = {
        { "png", 0, 8, "\x89PNG\r\n\x1a\n" },
        { "jpg", 0, 3, "\xff\xd8\xff" },
        { "webp", 8, 4, "WEBP" },
        { "gif", 0, 4, "GIF8" },
        { "heic", 4, 8, "ftypheic" },
        { "heic", 4, 8, "ftypmif1" },
        { "heic", 4, 8, "ftypheix" },
        { "avif", 4, 8, "ftypavif" },
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size >= kinds[i].offset + kinds[i].len &&
            memcmp((const char *)bytes + kinds[i].offset, kinds[i].magic, kinds[i].len) == 0)
            return kinds[i].extension;
    return "img";
}
