/* vips_start.c: starts libvips once for the whole process, configured for untrusted files. */
#include "image/vips_start.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

static int start_result;

/* libvips prints warnings about odd files to stderr, which belongs to the program, not to us. */
static void stay_silent(const gchar *domain, GLogLevelFlags level, const gchar *text,
                        gpointer payload)
{
    (void)domain;
    (void)level;
    (void)text;
    (void)payload;
}

/* Each picture is decoded once, so libvips' operation cache would only waste memory; and pictures
 * are little work compared with the models, whose threads libvips must not slow down. */
static void start_once(void)
{
    start_result = VIPS_INIT("rap");
    if (start_result != 0)
        return;
    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO,
                      stay_silent, NULL);
    vips_block_untrusted_set(TRUE);
    vips_cache_set_max(0);
    vips_concurrency_set(2);
}

rap_status vips_start(rap_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start_once);
    if (start_result != 0)
        return err_set(err, RAP_E_UNSUPPORTED, "libvips could not be started");
    return RAP_OK;
}

void vips_take_message(char *out, size_t size)
{
    char *text = vips_error_buffer_copy(); /* also clears the buffer, under its lock */
    size_t len = 0;

    for (char *at = text; at && *at && len + 3 < size; at++) {
        if (*at != '\n') {
            out[len++] = *at;
        } else if (at[1] != '\0') {
            out[len++] = ';';
            out[len++] = ' ';
        }
    }
    out[len] = '\0';
    g_free(text);
}
