/* bench_quantise IN.gguf OUT.gguf: a decoder as Q4_K_M by llama.cpp's own quantiser. For ttft.sh. */
#include <llama.h>

#include <stdio.h>

static void drop_log(enum ggml_log_level level, const char *text, void *payload)
{
    (void)level;
    (void)text;
    (void)payload;
}

int main(int argc, char **argv)
{
    llama_model_quantize_params p = llama_model_quantize_default_params();

    if (argc != 3) {
        fprintf(stderr, "usage: bench_quantise IN.gguf OUT.gguf\n");
        return 2;
    }
    llama_log_set(drop_log, NULL);
    p.ftype = LLAMA_FTYPE_MOSTLY_Q4_K_M;
    if (llama_model_quantize(argv[1], argv[2], &p) != 0) {
        fprintf(stderr, "bench_quantise: %s: llama.cpp cannot quantise it\n", argv[1]);
        return 1;
    }
    return 0;
}
