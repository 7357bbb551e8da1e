/* nn_isa.c: chooses the inner loops for this processor. */
#include "nn/nn_kernels.h"

#include "nn/nn_sets.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* Clang 14 has no name for this feature. */
static bool has_avxvnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

const nn_kernels *nn_kernels_at(int i)
{
    const nn_kernels *all[5] = { &nn_kernels_plain };
    int count = 1;
    if (has_avx2())
        all[count++] = &nn_kernels_avx2;
    if (has_avx2() && has_avxvnni())
        all[count++] = &nn_kernels_avx2_vnni;
    if (has_avx512())
        all[count++] = &nn_kernels_avx512;
    if (has_avx512() && __builtin_cpu_supports("avx512vnni"))
        all[count++] = &nn_kernels_avx512_vnni;
    return i < count ? all[i] : NULL;
}
#else
const nn_kernels *nn_kernels_at(int i)
{
    return i ? NULL : &nn_kernels_plain;
}
#endif

static struct {
    const nn_kernels *used;
    const char *wrong; /* the unsupported value of $RAP_ISA */
    bool leave_layers;
} choice;

static void choose(void)
{
    const char *wish = getenv("RAP_ISA");
    bool any = !wish || !*wish || !strcmp(wish, "onednn"), found = any;
    for (int i = 0; nn_kernels_at(i); i++) {
        bool wanted = any || !strcmp(wish, nn_kernels_at(i)->name);
        if (wanted || !found)
            choice.used = nn_kernels_at(i);
        found = found || wanted;
    }
    choice.leave_layers = wish && !strcmp(wish, "onednn");
    choice.wrong = found ? NULL : wish;
}

static void choose_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
}

rap_status nn_kernels_check(rap_err *err)
{
    choose_once();
    if (choice.wrong)
        return err_set(
            err, RAP_E_ARGUMENT,
            "RAP_ISA is \"%s\", which is unknown or not supported by this processor; the best here "
            "is %s (others: plain, avx2, avx512, onednn)",
            choice.wrong, nn_kernels_used()->name);
    return RAP_OK;
}

const nn_kernels *nn_kernels_used(void)
{
    choose_once();
    return choice.used;
}

bool nn_kernels_leave_layers(void)
{
    choose_once();
    return choice.leave_layers;
}
