/* source_folders.c: a folder of folders, each with the pictures of one object. Where a file
 * prompts_and_classes.txt lies in it, as in DreamBooth's data set, its lines "subject_name,class" give the
 * categories; else the folder's name does ("dog6" is a dog).
 *
 * Memory: the names of one folder. */
#include "dataset/object_folder.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The class of `object` in the text; 0: not given. */
static int find_class(char out[64], const char *text, const char *object)
{
    size_t len = strlen(object);

    for (const char *line = text; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, object, len) == 0 && line[len] == ',') {
            char class[256];

            snprintf(class, sizeof class, "%.*s", (int)strcspn(line + len + 1, ",\r\n"),
                     line + len + 1);
            report_copy(out, 64, class);
            return *out != '\0';
        }
    return 0;
}

rap_status source_folders(source_sink *sink, rap_err *err)
{
    char **name = NULL, *classes = NULL, *path = NULL;
    size_t count = 0, size = 0;
    rap_status status = source_list(&name, &count, sink->source->images, err);

    if (status == RAP_OK && (path = path_join(sink->source->images, "prompts_and_classes.txt")) &&
        file_exists(path))
        status = file_read(&classes, &size, path, 1 << 20, err);
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        char category[64], *folder = path_join(sink->source->images, name[i]);
        object_folder f = { .folder = name[i], .identity = name[i], .category = category };

        if (!folder)
            status = err_memory(err, "reading pictures");
        else if (file_is_folder(folder)) {
            if (!classes || !find_class(category, classes, name[i]))
                object_folder_category(category, name[i]);
            status = object_folder_read(&f, sink, err);
        }
        free(folder);
        if (status == RAP_OK)
            status = source_progress(sink, (double)(i + 1) / (double)count, err);
    }
    source_list_free(name, count);
    free(classes);
    free(path);
    return status;
}
