/* convert_blocks.c: the transformer blocks of every kind of model, under their published names and ours. */
#include "convert/convert_inside.h"

#include <stdio.h>

/* Query, key and value: one matrix, or three that become one. */
static void convert_attention(conversion *c, const char *from, const char *to, const block_names *n,
                              int64_t width)
{
    static const char *const ends[] = { ".weight", ".bias" };
    const char *const parts[] = { n->q, n->k, n->v };
    char name[3][256], b[64];
    if (n->qkv_weight) {
        convert_joined(c, from, n->qkv_weight, to, "attn_qkv.weight",
                       (convert_shape){ 2, { 3 * width, width } });
        convert_joined(c, from, n->qkv_bias, to, "attn_qkv.bias",
                       (convert_shape){ 1, { 3 * width } });
        return;
    }
    for (int end = 0; end < 2; end++) {
        for (int i = 0; i < 3; i++)
            snprintf(name[i], sizeof name[i], "%s%s%s", from, parts[i], ends[end]);
        snprintf(b, sizeof b, "%sattn_qkv%s", to, ends[end]);
        convert_stacked(c, (const char *const[]){ name[0], name[1], name[2] }, 3, b,
                        (convert_shape){ end ? 1 : 2, { width, width } });
    }
}

/* One block: `from` and `to` end in "N.". */
static void convert_block(conversion *c, const char *from, const char *to, const block_names *n,
                          int64_t width, int64_t hidden)
{
    const char *const pair_from[] = { n->ln1, n->ln2, n->out, n->up, n->down };
    const char *const pair_to[] = { "ln1", "ln2", "attn_out", "ffn_up", "ffn_down" };
    const convert_shape pair_shape[] = { { 1, { width } },
                                         { 1, { width } },
                                         { 2, { width, width } },
                                         { 2, { hidden, width } },
                                         { 2, { width, hidden } } };
    char a[200], b[48];
    convert_attention(c, from, to, n, width);
    for (int i = 0; i < 5; i++) {
        snprintf(a, sizeof a, "%s%s", from, pair_from[i]);
        snprintf(b, sizeof b, "%s%s", to, pair_to[i]);
        convert_pair(c, a, b, pair_shape[i]);
    }
}

int convert_blocks(conversion *c, const char *from, const char *to, const block_names *names,
                   int64_t width, int64_t *out_hidden)
{
    int count = 0;
    char a[128], b[32], probe[200];
    for (*out_hidden = 0; c->status == RAP_OK && count < 256; count++) {
        snprintf(a, sizeof a, "%s%d.", from, count);
        snprintf(b, sizeof b, "%s%d.", to, count);
        snprintf(probe, sizeof probe, "%s%s.weight", a, names->up);
        if (!convert_has(c, probe))
            break;
        if (count == 0)
            *out_hidden = convert_size(c, probe, 1);
        convert_block(c, a, b, names, width, *out_hidden);
    }
    if (count == 0)
        convert_fail(c, RAP_E_FORMAT, "has no transformer blocks ('%s0.…')", from);
    return count;
}
