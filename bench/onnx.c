/* onnx.c: ONNX Runtime's C interface without its header: a table of functions that only ever grows, so
 * that the few that are needed are named here by their place in it. */
#include "onnx.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    AT_ERROR_MESSAGE = 2,
    AT_CREATE_ENV = 3,
    AT_CREATE_SESSION = 7,
    AT_RUN = 9,
    AT_CREATE_OPTIONS = 10,
    AT_OPTIMIZE = 23,
    AT_THREADS = 24,
    AT_CREATE_TENSOR = 49,
    AT_TENSOR_DATA = 51,
    AT_CPU_MEMORY = 69,
    AT_RELEASE_ENV = 92,
    AT_RELEASE_STATUS = 93,
    AT_RELEASE_MEMORY = 94,
    AT_RELEASE_SESSION = 95,
    AT_RELEASE_VALUE = 96,
    AT_RELEASE_OPTIONS = 100,
    API_VERSION = 17,
    LOG_ERRORS = 3,
    OPTIMIZE_ALL = 99,
    TYPE_FLOAT = 1
};

typedef void *entry; /* POSIX lets data pointers hold functions */

typedef struct api_base {
    const entry *(*get_api)(uint32_t version);
    const char *(*version)(void);
} api_base;

struct onnx {
    void *library;
    const entry *api;
    const char *version;
    void *env, *options, *session, *memory, *result;
};

/* Tells and releases a failure; 0 when there is none. */
static int failed(const onnx *o, void *status)
{
    if (!status)
        return 0;
    fprintf(stderr, "onnx: %s\n", ((const char *(*)(void *))o->api[AT_ERROR_MESSAGE])(status));
    ((void (*)(void *))o->api[AT_RELEASE_STATUS])(status);
    return -1;
}

static int load(onnx *o, const char *library)
{
    o->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!o->library) {
        fprintf(stderr, "onnx: %s\n", dlerror());
        return -1;
    }
    entry get = dlsym(o->library, "OrtGetApiBase");
    const api_base *base = get ? ((const api_base *(*)(void))get)() : NULL;
    o->api = base ? base->get_api(API_VERSION) : NULL;
    if (!o->api) {
        fprintf(stderr, "onnx: %s has not the interface that is expected\n", library);
        return -1;
    }
    o->version = base->version();
    return 0;
}

int onnx_open(onnx **out, const char *library, const char *model, int threads)
{
    onnx *o = calloc(1, sizeof *o);
    *out = NULL;
    if (!o || load(o, library)) {
        onnx_close(o);
        return -1;
    }
    const entry *f = o->api;
    int bad = failed(o, ((void *(*)(int, const char *, void **))f[AT_CREATE_ENV])(
                            LOG_ERRORS, "bench", &o->env)) ||
              failed(o, ((void *(*)(void **))f[AT_CREATE_OPTIONS])(&o->options)) ||
              failed(o, ((void *(*)(void *, int))f[AT_OPTIMIZE])(o->options, OPTIMIZE_ALL)) ||
              failed(o, ((void *(*)(void *, int))f[AT_THREADS])(o->options, threads)) ||
              failed(o, ((void *(*)(void *, const char *, void *, void **))f[AT_CREATE_SESSION])(
                            o->env, model, o->options, &o->session)) ||
              failed(o, ((void *(*)(int, int, void **))f[AT_CPU_MEMORY])(1, 0, &o->memory));
    if (bad) {
        onnx_close(o);
        return -1;
    }
    *out = o;
    return 0;
}

static void release(const onnx *o, int at, void *what)
{
    if (what)
        ((void (*)(void *))o->api[at])(what);
}

void onnx_close(onnx *o)
{
    if (!o)
        return;
    if (o->api) {
        release(o, AT_RELEASE_VALUE, o->result);
        release(o, AT_RELEASE_MEMORY, o->memory);
        release(o, AT_RELEASE_SESSION, o->session);
        release(o, AT_RELEASE_OPTIONS, o->options);
        release(o, AT_RELEASE_ENV, o->env);
    }
    free(o); /* the library stays loaded: its threads may still be ending */
}

const char *onnx_version(const onnx *o)
{
    return o->version;
}

typedef void *create_tensor(const void *memory, void *data, size_t bytes, const int64_t *shape,
                            size_t dims, int type, void **out);
typedef void *run_session(void *session, const void *options, const char *const *inputs,
                          const void *const *in, size_t in_count, const char *const *outputs,
                          size_t out_count, void **out);

int onnx_run(onnx *o, const char *input, const float *x, const int64_t *shape, int dims,
             const char *output, const float **out)
{
    size_t bytes = sizeof *x;
    void *value = NULL, *data = NULL;
    for (int i = 0; i < dims; i++)
        bytes *= (size_t)shape[i];
    if (failed(o, ((create_tensor *)o->api[AT_CREATE_TENSOR])(o->memory, (void *)(uintptr_t)x,
                                                              bytes, shape, (size_t)dims,
                                                              TYPE_FLOAT, &value)))
        return -1;
    release(o, AT_RELEASE_VALUE, o->result);
    o->result = NULL;
    int bad = failed(o, ((run_session *)o->api[AT_RUN])(o->session, NULL, &input,
                                                        (const void *const *)&value, 1, &output, 1,
                                                        &o->result)) ||
              failed(o, ((void *(*)(void *, void **))o->api[AT_TENSOR_DATA])(o->result, &data));
    release(o, AT_RELEASE_VALUE, value);
    *out = data;
    return bad ? -1 : 0;
}
