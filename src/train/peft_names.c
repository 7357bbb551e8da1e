/* peft_names.c: see peft_names.h. */
#include "train/peft_names.h"

#include <stdlib.h>
#include <string.h>

const char *peft_module(linear_kind kind)
{
    static const char *const name[LINEAR_KINDS] = {
        [LINEAR_Q] = "self_attn.q_proj",   [LINEAR_K] = "self_attn.k_proj",
        [LINEAR_V] = "self_attn.v_proj",   [LINEAR_QKV] = "self_attn.qkv_proj",
        [LINEAR_OUT] = "self_attn.o_proj", [LINEAR_GATE] = "mlp.gate_proj",
        [LINEAR_UP] = "mlp.up_proj",       [LINEAR_GATE_UP] = "mlp.gate_up_proj",
        [LINEAR_DOWN] = "mlp.down_proj",
    };

    return name[kind];
}

/* "12.rest": gives 12 and leaves *at at "rest". */
static bool read_layer(int64_t *out, const char **at, const shape *s)
{
    char *end;

    if (**at < '0' || **at > '9')
        return false;
    *out = strtoll(*at, &end, 10);
    *at = end + 1;
    return *end == '.' && *out < s->layers;
}

bool place_of_gguf(peft_place *out, const shape *s, const char *name)
{
    const char *at = name + 4;

    if (strncmp(name, "blk.", 4) != 0 || !read_layer(&out->layer, &at, s))
        return false;
    for (int kind = 0; kind < LINEAR_KINDS; kind++) {
        const char *weight = linear_name((linear_kind)kind);
        size_t len = strlen(weight);

        if (shape_has(s, (linear_kind)kind) && strncmp(at, weight, len) == 0 &&
            strcmp(at + len, ".weight") == 0) {
            out->kind = (linear_kind)kind;
            return true;
        }
    }
    return false;
}

static bool read_half(char *half, const char *at)
{
    static const char *const end[] = { ".weight", ".default.weight" };

    if (strncmp(at, ".lora_", 6) != 0 || (at[6] != 'A' && at[6] != 'B'))
        return false;
    *half = at[6];
    return strcmp(at + 7, end[0]) == 0 || strcmp(at + 7, end[1]) == 0;
}

bool place_of_peft(peft_place *out, char *half, const shape *s, const char *name)
{
    const char *at = strstr(name, ".layers.");

    if (!at || strstr(name, "vision"))
        return false;
    at += 8;
    if (!read_layer(&out->layer, &at, s))
        return false;
    for (int kind = 0; kind < LINEAR_KINDS; kind++) {
        size_t len = strlen(peft_module((linear_kind)kind));

        if (strncmp(at, peft_module((linear_kind)kind), len) == 0 && read_half(half, at + len)) {
            out->kind = (linear_kind)kind;
            return shape_has(s, (linear_kind)kind);
        }
    }
    return false;
}

int64_t gguf_row(const shape *s, linear_kind kind, int64_t r)
{
    int64_t half = s->head / 2, in_head = r % s->head;

    if (s->neox || (kind != LINEAR_Q && kind != LINEAR_K))
        return r;
    return r - in_head + 2 * (in_head % half) + in_head / half;
}
