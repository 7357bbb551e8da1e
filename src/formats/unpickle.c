/* unpickle.c: the opcodes of pickle protocols 2 to 4 that a state dict or a module needs.
 *
 * A stack machine: each opcode has one small function in step()'s tables. Values live in blocks that
 * are freed together, so shared and cyclic values cost nothing and nothing here recurses. */
#include "base/mem.h"
#include "formats/unpickle_inside.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------------------- */

enum { BLOCK_VALUES = 256 };

struct pickle_block {
    pickle_block *next;
    size_t used;
    pickle_value values[BLOCK_VALUES];
};

pickle_value *unpickle_new(unpickled *u, pickle_kind kind)
{
    if (u->value_count++ >= PICKLE_MAX_VALUES) {
        err_set(u->err, RAP_E_LIMIT, "%s: its pickle makes more values than a state dict needs",
                u->name);
        return NULL;
    }
    if (!u->blocks || u->blocks->used == BLOCK_VALUES) {
        pickle_block *b = mem_array(1, sizeof *b);
        if (!b) {
            err_memory(u->err, "reading a checkpoint");
            return NULL;
        }
        b->next = u->blocks;
        u->blocks = b;
    }
    pickle_value *v = &u->blocks->values[u->blocks->used++];
    v->kind = kind;
    return v;
}

static bool has_items(const pickle_value *v)
{
    return v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST || v->kind == PICKLE_DICT;
}

void unpickle_free(unpickled *u)
{
    if (!u)
        return;
    while (u->blocks) {
        pickle_block *b = u->blocks;
        for (size_t i = 0; i < b->used; i++)
            if (has_items(&b->values[i]))
                free(b->values[i].as.list.items);
        u->blocks = b->next;
        free(b);
    }
    free(u->stack);
    free(u->memo);
    free(u);
}

const pickle_value *unpickle_root(const unpickled *u)
{
    return u->root;
}

/* ---- failures ----------------------------------------------------------------------------- */

rap_status unpickle_bad(unpickled *u, const char *reason)
{
    return err_set(u->err, RAP_E_FORMAT, "%s: damaged checkpoint: %s", u->name, reason);
}

static rap_status cut_short(unpickled *u)
{
    return unpickle_bad(u, "it is cut short");
}

static rap_status underflow(unpickled *u)
{
    return unpickle_bad(u, "it takes more from the stack than is there");
}

/* ---- bytes, stack, memo ------------------------------------------------------------------- */

/* n bytes, little-endian numbers of up to 8; NULL at the end. */
static const uint8_t *take(unpickled *u, uint64_t n)
{
    if (n > u->size - u->at)
        return NULL;
    const uint8_t *p = u->bytes + u->at;
    u->at += (size_t)n;
    return p;
}

static bool take_number(uint64_t *out, unpickled *u, size_t bytes)
{
    const uint8_t *p = take(u, bytes);
    *out = 0;
    for (size_t i = 0; p && i < bytes; i++)
        *out |= (uint64_t)p[i] << (8 * i);
    return p != NULL;
}

/* Grows an array of pointers so that `index` exists; new places are NULL. */
static bool reach(pickle_value ***array, size_t *cap, size_t index)
{
    if (index < *cap)
        return true;
    size_t bigger = *cap ? *cap * 2 : 64;
    if (bigger <= index)
        bigger = index + 1;
    pickle_value **grown = realloc(*array, bigger * sizeof *grown);
    if (!grown)
        return false;
    memset(grown + *cap, 0, (bigger - *cap) * sizeof *grown);
    *array = grown;
    *cap = bigger;
    return true;
}

static rap_status push(unpickled *u, pickle_value *v)
{
    if (!v)
        return RAP_E_LIMIT; /* unpickle_new has said why */
    if (u->depth >= PICKLE_MAX_STACK)
        return unpickle_bad(u, "it piles up too many values");
    if (!reach(&u->stack, &u->stack_cap, u->depth))
        return err_memory(u->err, "reading a checkpoint");
    u->stack[u->depth++] = v;
    return RAP_OK;
}

/* What may be popped: not past the innermost mark. */
static size_t poppable(const unpickled *u)
{
    return u->depth - (u->mark_count ? u->marks[u->mark_count - 1] : 0);
}

static pickle_value *top(const unpickled *u)
{
    return poppable(u) ? u->stack[u->depth - 1] : NULL;
}

static rap_status remember(unpickled *u, uint64_t index)
{
    if (!top(u))
        return underflow(u);
    if (index >= PICKLE_MAX_MEMO)
        return unpickle_bad(u, "it numbers its values too high");
    if (!reach(&u->memo, &u->memo_cap, (size_t)index))
        return err_memory(u->err, "reading a checkpoint");
    u->memo[index] = top(u);
    u->memo_count++;
    return RAP_OK;
}

static rap_status recall(unpickled *u, uint64_t index)
{
    if (index >= u->memo_cap || !u->memo[index])
        return unpickle_bad(u, "it recalls a value that it never had");
    return push(u, u->memo[index]);
}

/* ---- values ------------------------------------------------------------------------------- */

static rap_status push_integer(unpickled *u, pickle_kind kind, int64_t integer)
{
    pickle_value *v = unpickle_new(u, kind);
    if (v)
        v->as.integer = integer;
    return push(u, v);
}

/* Python's arbitrary integers, of which up to 8 bytes make sense here. */
static rap_status push_long(unpickled *u)
{
    uint64_t len, bits;
    if (!take_number(&len, u, 1))
        return cut_short(u);
    if (len > 8)
        return unpickle_bad(u, "a number of more than 64 bits");
    if (!take_number(&bits, u, (size_t)len))
        return cut_short(u);
    if (len && len < 8 && bits >> (8 * len - 1))
        bits |= UINT64_MAX << (8 * len);
    return push_integer(u, PICKLE_INT, (int64_t)bits);
}

static rap_status push_float(unpickled *u)
{
    const uint8_t *p = take(u, 8);
    uint64_t bits = 0;
    if (!p)
        return cut_short(u);
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    pickle_value *v = unpickle_new(u, PICKLE_FLOAT);
    if (v)
        memcpy(&v->as.real, &bits, sizeof bits);
    return push(u, v);
}

static rap_status push_text(unpickled *u, size_t length_bytes)
{
    uint64_t len;
    if (!take_number(&len, u, length_bytes))
        return cut_short(u);
    const uint8_t *p = take(u, len);
    if (!p)
        return cut_short(u);
    pickle_value *v = unpickle_new(u, PICKLE_TEXT);
    if (v) {
        v->as.text.bytes = (const char *)p;
        v->as.text.len = (size_t)len;
    }
    return push(u, v);
}

/* ---- containers --------------------------------------------------------------------------- */

static rap_status append(unpickled *u, pickle_value *to, pickle_value *const *items, size_t count)
{
    size_t need = to->as.list.count + count;
    if (need > PICKLE_MAX_ITEMS)
        return unpickle_bad(u, "a list has more items than a checkpoint needs");
    if (need > to->as.list.cap) {
        size_t cap = need > to->as.list.cap * 2 ? need : to->as.list.cap * 2;
        pickle_value **grown = realloc(to->as.list.items, cap * sizeof *grown);
        if (!grown)
            return err_memory(u->err, "reading a checkpoint");
        to->as.list.items = grown;
        to->as.list.cap = cap;
    }
    if (count)
        memcpy(to->as.list.items + to->as.list.count, items, count * sizeof *items);
    to->as.list.count = need;
    return RAP_OK;
}

static rap_status push_tuple(unpickled *u, size_t count)
{
    if (poppable(u) < count)
        return underflow(u);
    pickle_value *v = unpickle_new(u, PICKLE_TUPLE);
    if (!v)
        return RAP_E_LIMIT;
    /* An empty stack has no memory yet. */
    rap_status status = count ? append(u, v, u->stack + u->depth - count, count) : RAP_OK;
    if (status != RAP_OK)
        return status;
    u->depth -= count;
    return push(u, v);
}

static rap_status mark(unpickled *u)
{
    if (u->mark_count == PICKLE_MAX_MARKS)
        return unpickle_bad(u, "it nests too deep");
    u->marks[u->mark_count++] = u->depth;
    return RAP_OK;
}

/* Ends the innermost mark: how many values stood above it. */
static rap_status unmark(unpickled *u, size_t *out_count)
{
    if (!u->mark_count)
        return unpickle_bad(u, "it ends something it never began");
    *out_count = poppable(u);
    u->mark_count--;
    return RAP_OK;
}

/* Moves the top `count` values into the container below them. What an object that is also a list or a
 * dict holds is dropped. */
static rap_status fill(unpickled *u, pickle_kind kind, size_t count)
{
    if (poppable(u) < count + 1)
        return underflow(u);
    pickle_value *to = u->stack[u->depth - count - 1];
    if ((to->kind != kind && to->kind != PICKLE_OBJECT) || (kind == PICKLE_DICT && count % 2))
        return unpickle_bad(u, "it fills something that is no container");
    rap_status status =
        to->kind == PICKLE_OBJECT ? RAP_OK : append(u, to, u->stack + u->depth - count, count);
    u->depth -= count;
    return status;
}

static rap_status fill_marked(unpickled *u, pickle_kind kind)
{
    size_t count = 0;
    rap_status status = unmark(u, &count);
    return status == RAP_OK ? fill(u, kind, count) : status;
}

static rap_status tuple_marked(unpickled *u)
{
    size_t count = 0;
    rap_status status = unmark(u, &count);
    return status == RAP_OK ? push_tuple(u, count) : status;
}

/* ---- names and calls ---------------------------------------------------------------------- */

/* "module\nname\n" */
static rap_status push_global(unpickled *u)
{
    const char *text[2];
    size_t len[2];
    for (int i = 0; i < 2; i++) {
        const uint8_t *start = u->bytes + u->at, *stop = memchr(start, '\n', u->size - u->at);
        if (!stop)
            return cut_short(u);
        text[i] = (const char *)start;
        len[i] = (size_t)(stop - start);
        u->at += len[i] + 1;
    }
    pickle_value *v = NULL;
    rap_status status = unpickle_global(&v, u, text[0], len[0], text[1], len[1]);
    return status == RAP_OK ? push(u, v) : status;
}

static rap_status push_stack_global(unpickled *u)
{
    if (poppable(u) < 2)
        return underflow(u);
    const pickle_value *name = u->stack[u->depth - 1], *module = u->stack[u->depth - 2];
    if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT)
        return unpickle_bad(u, "a name is not text");
    u->depth -= 2;
    pickle_value *v = NULL;
    rap_status status = unpickle_global(&v, u, module->as.text.bytes, module->as.text.len,
                                        name->as.text.bytes, name->as.text.len);
    return status == RAP_OK ? push(u, v) : status;
}

typedef rap_status maker(pickle_value **out, unpickled *u, const pickle_value *from,
                         const pickle_value *args);

/* The two values on top become the one that `make` makes of them. */
static rap_status apply(unpickled *u, maker *make)
{
    if (poppable(u) < 2)
        return underflow(u);
    pickle_value *v = NULL;
    rap_status status = make(&v, u, u->stack[u->depth - 2], u->stack[u->depth - 1]);
    u->depth -= 2;
    return status == RAP_OK ? push(u, v) : status;
}

/* Sets the attributes of an object, once. A state dict carries `_metadata` as its attributes: dropped.
 * Nothing else has attributes. */
static rap_status build(unpickled *u)
{
    if (poppable(u) < 2)
        return underflow(u);
    const pickle_value *state = u->stack[--u->depth];
    pickle_value *to = top(u);
    if (to->kind == PICKLE_DICT)
        return RAP_OK;
    if (to->kind != PICKLE_OBJECT || to->as.object.state)
        return unpickle_bad(u, "it sets attributes of something");
    to->as.object.state = state;
    return RAP_OK;
}

static rap_status persistent(unpickled *u)
{
    if (!top(u))
        return underflow(u);
    pickle_value *v = NULL;
    rap_status status = unpickle_storage(&v, u, top(u));
    u->depth--;
    return status == RAP_OK ? push(u, v) : status;
}

/* ---- the machine -------------------------------------------------------------------------- */

/* Opcodes that take no bytes after them. */
static rap_status step_plain(unpickled *u, uint8_t op)
{
    switch (op) {
    case 'N':
        return push(u, unpickle_new(u, PICKLE_NONE));
    case 0x88:
        return push_integer(u, PICKLE_BOOL, 1);
    case 0x89:
        return push_integer(u, PICKLE_BOOL, 0);
    case '(':
        return mark(u);
    case ')':
        return push_tuple(u, 0);
    case 0x85:
        return push_tuple(u, 1);
    case 0x86:
        return push_tuple(u, 2);
    case 0x87:
        return push_tuple(u, 3);
    case 't':
        return tuple_marked(u);
    case ']':
        return push(u, unpickle_new(u, PICKLE_LIST));
    case 'a':
        return fill(u, PICKLE_LIST, 1);
    case 'e':
        return fill_marked(u, PICKLE_LIST);
    case '}':
        return push(u, unpickle_new(u, PICKLE_DICT));
    case 's':
        return fill(u, PICKLE_DICT, 2);
    case 'u':
        return fill_marked(u, PICKLE_DICT);
    case 'R':
        return apply(u, unpickle_call);
    case 0x81:
        return apply(u, unpickle_object);
    case 'b':
        return build(u);
    case 'Q':
        return persistent(u);
    case 0x93:
        return push_stack_global(u);
    case 0x94:
        return remember(u, u->memo_count);
    default:
        return err_set(u->err, RAP_E_FORMAT,
                       "%s: uses pickle opcode 0x%02x, which no checkpoint needs", u->name, op);
    }
}

static rap_status step(unpickled *u, uint8_t op)
{
    uint64_t n;
    switch (op) {
    case 0x80: /* protocol */
        if (!take_number(&n, u, 1))
            return cut_short(u);
        return n >= 2 && n <= 4 ? RAP_OK : unpickle_bad(u, "its pickle protocol is not 2, 3 or 4");
    case 0x95: /* frame: a hint for readers of streams */
        return take(u, 8) ? RAP_OK : cut_short(u);
    case 'K':
        return take_number(&n, u, 1) ? push_integer(u, PICKLE_INT, (int64_t)n) : cut_short(u);
    case 'M':
        return take_number(&n, u, 2) ? push_integer(u, PICKLE_INT, (int64_t)n) : cut_short(u);
    case 'J':
        return take_number(&n, u, 4) ? push_integer(u, PICKLE_INT, (int32_t)n) : cut_short(u);
    case 0x8a:
        return push_long(u);
    case 'G':
        return push_float(u);
    case 0x8c:
        return push_text(u, 1);
    case 'X':
        return push_text(u, 4);
    case 0x8d:
        return push_text(u, 8);
    case 'c':
        return push_global(u);
    case 'q':
        return take_number(&n, u, 1) ? remember(u, n) : cut_short(u);
    case 'r':
        return take_number(&n, u, 4) ? remember(u, n) : cut_short(u);
    case 'h':
        return take_number(&n, u, 1) ? recall(u, n) : cut_short(u);
    case 'j':
        return take_number(&n, u, 4) ? recall(u, n) : cut_short(u);
    default:
        return step_plain(u, op);
    }
}

static rap_status run(unpickled *u)
{
    for (;;) {
        const uint8_t *op = take(u, 1);
        if (!op)
            return cut_short(u);
        if (*op == '.')
            break;
        rap_status status = step(u, *op);
        if (status != RAP_OK)
            return status;
    }
    if (u->depth != 1 || u->mark_count)
        return unpickle_bad(u, "it does not end with one value");
    u->root = u->stack[0];
    return RAP_OK;
}

rap_status unpickle(unpickled **out, const uint8_t *bytes, size_t size, const char *name,
                    rap_err *err)
{
    *out = NULL;
    if (size > PICKLE_MAX_BYTES)
        return err_set(err, RAP_E_LIMIT,
                       "%s: its pickle has %zu bytes, more than a state dict needs", name, size);
    if (size < 2 || bytes[0] != 0x80)
        return err_set(err, RAP_E_FORMAT,
                       "%s: damaged checkpoint: no pickle of protocol 2 or later", name);
    unpickled *u = mem_array(1, sizeof *u);
    if (!u)
        return err_memory(err, "reading a checkpoint");
    u->name = name;
    u->bytes = bytes;
    u->size = size;
    u->err = err;
    rap_status status = run(u);
    u->err = NULL;
    if (status == RAP_OK)
        *out = u;
    else
        unpickle_free(u);
    return status;
}

/* ---- reading what came out ---------------------------------------------------------------- */

static bool same_text(pickle_chars a, const char *b)
{
    return a.len == strlen(b) && !memcmp(a.bytes, b, a.len);
}

bool pickle_text_is(const pickle_value *v, const char *text)
{
    return v->kind == PICKLE_TEXT && same_text(v->as.text, text);
}

bool pickle_is_a(const pickle_value *v, const char *class_name)
{
    return v && v->kind == PICKLE_OBJECT &&
           same_text(v->as.object.type->as.global.name, class_name);
}

const pickle_value *pickle_get(const pickle_value *dict, const char *key)
{
    if (dict && dict->kind == PICKLE_OBJECT)
        dict = dict->as.object.state;
    if (!dict || dict->kind != PICKLE_DICT)
        return NULL;
    for (size_t i = dict->as.list.count; i >= 2; i -= 2) /* the last one set counts */
        if (pickle_text_is(dict->as.list.items[i - 2], key))
            return dict->as.list.items[i - 1];
    return NULL;
}
