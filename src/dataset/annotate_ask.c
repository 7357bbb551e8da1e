/* annotate_ask.c: a queue with as many threads as requests may be in flight; each has a connection of its own. */
#include "dataset/annotate_ask.h"

#include "base/file.h"
#include "base/mem.h"
#include "dataset/annotate_folder.h"
#include "dataset/annotate_pace.h"
#include "remote/chat.h"
#include "remote/picture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_THREADS = 64, QUEUE = 2 * MOST_THREADS, QUALITY = 85, IN_A_ROW = 5, MOMENT_MS = 200 };

typedef struct request {
    annotate_unit unit; /* its texts are copies */
    char *id;
} request;

struct annotate_asker {
    const annotate_options *options;
    const annotate_task *task;
    const char *images;
    annotate_log *log;
    annotate_local *local; /* NULL: an endpoint is asked */
    annotate_pace pace;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread[MOST_THREADS];
    int threads;
    request *queue[QUEUE];
    int waiting, busy, room;
    int in_a_row; /* failures */
    annotate_asked count;
    rap_err fatal;
    bool closing;
};

/* ---- requests ---- */

static void request_free(request *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->unit.pictures; i++) {
        free((char *)r->unit.picture[i]);
        free((char *)r->unit.shown[i]);
    }
    for (int i = 0; i < r->unit.names.musts; i++)
        free((char *)r->unit.names.must[i]);
    for (int i = 0; i < r->unit.names.must_nots; i++)
        free((char *)r->unit.names.must_not[i]);
    buf_release(&r->unit.prompt);
    free(r->id);
    free(r);
}

static bool copy_all(const char **list, int count)
{
    bool good = true;

    for (int i = 0; i < count; i++) {
        bool given = list[i] != NULL;

        list[i] = mem_string(list[i]);
        good = good && (list[i] || !given);
    }
    return good;
}

static request *request_copy(const annotate_unit *unit, const char *id)
{
    request *r = mem_array(1, sizeof *r);
    bool good;

    if (!r)
        return NULL;
    r->unit = *unit;
    r->unit.prompt = (buf)BUF_INIT;
    buf_puts(&r->unit.prompt, buf_text(&unit->prompt));
    r->id = mem_string(id);
    good = copy_all(r->unit.picture, r->unit.pictures);
    good = copy_all(r->unit.shown, r->unit.pictures) && good;
    good = copy_all(r->unit.names.must, r->unit.names.musts) && good;
    good = copy_all(r->unit.names.must_not, r->unit.names.must_nots) && good;
    if (good && r->id && !buf_failed(&r->unit.prompt))
        return r;
    request_free(r);
    return NULL;
}

/* ---- pictures ---- */

typedef struct pictures {
    remote_picture picture[SAMPLE_CONCEPTS + 1];
    int count;
    uint64_t bytes, tokens;
} pictures;

/* As large models count them: 85 and 170 for each square of 512 pixels. */
static uint64_t tokens_of(const remote_picture *p)
{
    return 85 + 170 * (uint64_t)((p->width + 511) / 512) * (uint64_t)((p->height + 511) / 512);
}

static rap_status load_pictures(pictures *out, const annotate_task *task, const annotate_unit *unit,
                                const char *images, rap_err *err)
{
    rap_status status = RAP_OK;

    *out = (pictures){ .count = 0 };
    for (int i = 0; status == RAP_OK && i < unit->pictures; i++) {
        char *path = path_join(images, unit->picture[i]);

        if (!path)
            return err_memory(err, "reading pictures");
        if (!path_stays(unit->picture[i]))
            status = err_set(err, RAP_E_FORMAT, "%s: leads out of the folder of pictures",
                             unit->picture[i]);
        else
            status =
                remote_picture_load(&out->picture[out->count++], path, task->side, QUALITY, err);
        if (status == RAP_OK) {
            out->bytes += out->picture[i].jpeg.len;
            out->tokens += tokens_of(&out->picture[i]);
        }
        free(path);
    }
    return status;
}

static void release_pictures(pictures *p)
{
    for (int i = 0; i < p->count; i++)
        remote_picture_release(&p->picture[i]);
}

rap_status annotate_measure(uint64_t *bytes, uint64_t *tokens, const annotate_task *task,
                            const annotate_unit *unit, const char *images, rap_err *err)
{
    pictures p;
    rap_status status = load_pictures(&p, task, unit, images, err);

    *bytes = p.bytes;
    *tokens = p.tokens;
    release_pictures(&p);
    return status;
}

/* ---- asking ---- */

static int longest_answer(const annotate_asker *a)
{
    return a->options->max_tokens > 0 ? a->options->max_tokens : 1024;
}

static rap_status ask(chat_reply *out, const annotate_asker *a, chat *c, const request *r,
                      const pictures *p, rap_err *err)
{
    chat_part part[SAMPLE_CONCEPTS + 2] = { { .text = buf_text(&r->unit.prompt) } };
    chat_message message = { "user", part, (size_t)p->count + 1 };
    const double cold = 0;
    chat_request q = { .model = a->task->model,
                       .message = &message,
                       .messages = 1,
                       .max_tokens = longest_answer(a),
                       .temperature = &cold,
                       .json = a->task->kind == ANNOTATE_QA || a->task->kind == ANNOTATE_VERIFY };

    if (a->local)
        return annotate_local_ask(out, a->local, &r->unit, p->picture, longest_answer(a),
                                  &a->pace.stop, err);
    for (int i = 0; i < p->count; i++)
        part[i + 1] =
            (chat_part){ .picture = p->picture[i].jpeg.data, .size = p->picture[i].jpeg.len };
    return chat_ask(out, c, &q, err);
}

/* Everything that somebody needs who wants to know where an annotation comes from. */
static json_t *entry_of(const annotate_asker *a, const request *r, const chat_reply *reply)
{
    char when[32] = "";
    time_t now = time(NULL);
    struct tm parts;
    json_t *list = json_array();

    if (gmtime_r(&now, &parts))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    for (int i = 0; i < r->unit.pictures; i++)
        json_array_append_new(list, json_string(r->unit.picture[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:i, s:i, s:f}", "task",
                     annotate_kind_name(a->task->kind), "sample", r->id, "time", when, "model",
                     a->task->model, "answered_by", reply->model, "prompt",
                     buf_text(&r->unit.prompt), "pictures", list, "reply", reply->text, "finish",
                     reply->finish, "prompt_tokens", reply->prompt_tokens, "answer_tokens",
                     reply->answer_tokens, "seconds", reply->ms / 1000);
}

static rap_status keep(annotate_asker *a, const request *r, const chat_reply *reply,
                       const pictures *p, rap_err *err)
{
    json_t *entry = entry_of(a, r, reply);
    annotate_fault fault;
    rap_status status;

    if (!entry)
        return err_memory(err, "keeping an answer");
    fault = annotate_judge(a->task, &r->unit, entry);
    json_object_set_new(entry, "verdict", json_string(fault ? annotate_fault_text(fault) : "good"));
    status = annotate_log_add(a->log, r->unit.key, entry, err);
    pthread_mutex_lock(&a->lock);
    a->in_a_row = 0;
    a->count.asked++;
    a->count.bad += fault != FAULT_NONE;
    a->count.prompt_tokens += reply->prompt_tokens > 0 ? (uint64_t)reply->prompt_tokens : 0;
    a->count.answer_tokens += reply->answer_tokens > 0 ? (uint64_t)reply->answer_tokens : 0;
    a->count.pictures += (uint64_t)p->count;
    a->count.picture_bytes += p->bytes;
    pthread_mutex_unlock(&a->lock);
    return status;
}

/* Is there no sense in asking on? A server that refuses one request may answer the next. */
static bool is_hopeless(const annotate_asker *a, rap_status status, bool from_server)
{
    if (!from_server)
        return status == RAP_E_MEMORY;
    return status == RAP_E_CANCELLED || status == RAP_E_MEMORY || status == RAP_E_ARGUMENT ||
           status == RAP_E_NOT_FOUND || a->in_a_row >= IN_A_ROW;
}

static void note_failure(annotate_asker *a, const rap_err *err, bool from_server)
{
    pthread_mutex_lock(&a->lock);
    if (err->status != RAP_E_CANCELLED) {
        if (a->count.failed++ == 0)
            snprintf(a->count.first_failure, sizeof a->count.first_failure, "%s", err->text);
        a->in_a_row += from_server;
    }
    if (is_hopeless(a, err->status, from_server)) {
        if (a->fatal.status == RAP_OK)
            a->fatal = *err;
        a->pace.stop = true;
    }
    pthread_mutex_unlock(&a->lock);
}

static void answer(annotate_asker *a, chat *c, const request *r)
{
    pictures p;
    chat_reply reply = { 0 };
    rap_err err = { 0 };
    rap_status status = load_pictures(&p, a->task, &r->unit, a->images, &err);

    if (status != RAP_OK) {
        note_failure(a, &err, false);
    } else if (ask(&reply, a, c, r, &p, &err) != RAP_OK) {
        note_failure(a, &err, !a->local); /* a local model that fails once may answer the next */
    } else if (keep(a, r, &reply, &p, &err) != RAP_OK) { /* a full disk: no answer may be lost */
        pthread_mutex_lock(&a->lock);
        a->in_a_row = IN_A_ROW;
        pthread_mutex_unlock(&a->lock);
        note_failure(a, &err, true);
    }
    chat_reply_release(&reply);
    release_pictures(&p);
}

/* ---- threads ---- */

static int is_stopped(void *payload)
{
    const annotate_asker *a = payload;

    return a->pace.stop;
}

static int wait_for_turn(void *payload)
{
    annotate_asker *a = payload;

    return !annotate_pace_wait(&a->pace);
}

static void on_pause(const char *why, long pause_ms, bool asked, void *payload)
{
    annotate_asker *a = payload;

    (void)why;
    if (asked)
        annotate_pace_hold(&a->pace, pause_ms);
}

static endpoint_settings settings_of(annotate_asker *a)
{
    return (endpoint_settings){ .url = a->options->endpoint,
                                .silence_seconds = a->options->silence_seconds,
                                .attempts = a->options->attempts,
                                .first_pause_ms = a->options->first_pause_ms,
                                .cancelled = is_stopped,
                                .before = wait_for_turn,
                                .on_pause = on_pause,
                                .payload = a };
}

static request *take(annotate_asker *a)
{
    request *r = NULL;

    pthread_mutex_lock(&a->lock);
    while (!a->closing && a->waiting == 0)
        pthread_cond_wait(&a->changed, &a->lock);
    if (!a->closing) {
        r = a->queue[0];
        memmove(a->queue, a->queue + 1, sizeof *a->queue * (size_t)--a->waiting);
        a->busy++;
        pthread_cond_broadcast(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return r;
}

static void *work(void *payload)
{
    annotate_asker *a = payload;
    endpoint_settings set = settings_of(a);
    chat *c = NULL;
    rap_err err = { 0 };
    request *r;

    if (!a->local && chat_open(&c, &set, &err) != RAP_OK)
        note_failure(a, &err, true);
    while ((r = take(a)) != NULL) {
        if ((c || a->local) && !a->pace.stop)
            answer(a, c, r);
        request_free(r);
        pthread_mutex_lock(&a->lock);
        a->busy--;
        pthread_cond_broadcast(&a->changed);
        pthread_mutex_unlock(&a->lock);
    }
    chat_close(c);
    return NULL;
}

/* The address and the key are checked before anything begins. */
static rap_status check_endpoint(annotate_asker *a, rap_err *err)
{
    endpoint_settings set = settings_of(a);
    chat *c = NULL;
    rap_status status = a->local ? RAP_OK : chat_open(&c, &set, err);

    chat_close(c);
    return status;
}

rap_status annotate_asker_open(annotate_asker **out, const annotate_options *options,
                               const annotate_task *task, const char *images, annotate_log *log,
                               annotate_local *local, rap_err *err)
{
    annotate_asker *a = mem_array(1, sizeof *a);
    int wanted = options->parallel > 0 ? options->parallel : local ? 1 : 4;
    rap_status status;

    *out = NULL;
    if (!a)
        return err_memory(err, "asking an endpoint");
    wanted = wanted > MOST_THREADS ? MOST_THREADS : wanted;
    a->options = options;
    a->task = task;
    a->images = images;
    a->log = log;
    a->local = local;
    a->room = 2 * wanted;
    annotate_pace_init(&a->pace, options->per_minute);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    status = check_endpoint(a, err);
    while (status == RAP_OK && a->threads < wanted &&
           pthread_create(&a->thread[a->threads], NULL, work, a) == 0)
        a->threads++;
    if (status == RAP_OK && a->threads == 0)
        status = err_memory(err, "starting threads");
    if (status == RAP_OK)
        *out = a;
    else
        annotate_asker_close(a);
    return status;
}

/* With the lock held. */
static void wait_a_moment(annotate_asker *a)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += MOMENT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&a->changed, &a->lock, &until);
}

/* With the lock held. */
static rap_status verdict(const annotate_asker *a, rap_err *err)
{
    return a->fatal.status == RAP_OK ? RAP_OK : err_set(err, a->fatal.status, "%s", a->fatal.text);
}

rap_status annotate_asker_add(bool *out_taken, annotate_asker *a, const annotate_unit *unit,
                              const char *id, rap_err *err)
{
    request *r = NULL;
    rap_status status;

    pthread_mutex_lock(&a->lock);
    if (a->waiting >= a->room)
        wait_a_moment(a);
    *out_taken = a->waiting < a->room;
    status = verdict(a, err);
    if (status == RAP_OK && *out_taken) {
        r = request_copy(unit, id);
        if (r)
            a->queue[a->waiting++] = r;
        else
            status = err_memory(err, "asking an endpoint");
        pthread_cond_broadcast(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return status;
}

rap_status annotate_asker_wait(bool *out_idle, annotate_asker *a, rap_err *err)
{
    rap_status status;

    pthread_mutex_lock(&a->lock);
    if (a->waiting + a->busy > 0 && a->fatal.status == RAP_OK)
        wait_a_moment(a);
    *out_idle = a->waiting + a->busy == 0;
    status = verdict(a, err);
    pthread_mutex_unlock(&a->lock);
    return status;
}

void annotate_asker_count(annotate_asked *out, annotate_asker *a)
{
    pthread_mutex_lock(&a->lock);
    *out = a->count;
    pthread_mutex_unlock(&a->lock);
}

void annotate_asker_close(annotate_asker *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->closing = true;
    a->pace.stop = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    for (int i = 0; i < a->threads; i++)
        pthread_join(a->thread[i], NULL);
    for (int i = 0; i < a->waiting; i++)
        request_free(a->queue[i]);
    annotate_pace_release(&a->pace);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
    free(a);
}
