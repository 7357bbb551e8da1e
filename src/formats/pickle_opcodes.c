/* pickle_opcodes.c: the opcodes of pickle protocols 0 to 5.
 *
 * A stack machine: each opcode has one small function in step()'s tables. Values are made in
 * pickle_values.c, names and calls are interpreted in pickle_calls.c. */
#include "base/mem.h"
#include "formats/pickle_lines.h"
#include "formats/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

/* ---- failures ----------------------------------------------------------------------------- */

static rap_status cut_short(unpickled *u)
{
    return unpickle_bad(u, "it is cut short");
}

static rap_status underflow(unpickled *u)
{
    return unpickle_bad(u, "it pops more values than the stack has");
}

/* ---- bytes, stack, memo ------------------------------------------------------------------- */

/* Takes n bytes, and little-endian numbers of up to 8 bytes; NULL at the end. */
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

/* Grows an array of pointers to include `index`; new slots are NULL. */
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
        return unpickle_failed(u); /* unpickle_new has set the error */
    if (u->depth >= PICKLE_MAX_STACK)
        return unpickle_bad(u, "its stack has too many values");
    if (!reach(&u->stack, &u->stack_cap, u->depth))
        return err_memory(u->err, "reading a pickle");
    u->stack[u->depth++] = v;
    return RAP_OK;
}

/* How many values may be popped: none past the innermost mark. */
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
        return unpickle_bad(u, "its memo indices are too large");
    if (!reach(&u->memo, &u->memo_cap, (size_t)index))
        return err_memory(u->err, "reading a pickle");
    u->memo[index] = top(u);
    u->memo_count++;
    return RAP_OK;
}

static rap_status recall(unpickled *u, uint64_t index)
{
    if (index >= u->memo_cap || !u->memo[index])
        return unpickle_bad(u, "it reads a memo entry that was never written");
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

/* Python's arbitrary integers. */
static rap_status push_long(unpickled *u, size_t length_bytes)
{
    uint64_t len, bits;
    if (!take_number(&len, u, length_bytes))
        return cut_short(u);
    if (len > 8)
        return take(u, len) ? push(u, unpickle_new(u, PICKLE_BIG)) : cut_short(u);
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

static rap_status push_text(unpickled *u, pickle_kind kind, size_t length_bytes)
{
    uint64_t len;
    if (!take_number(&len, u, length_bytes))
        return cut_short(u);
    const uint8_t *p = take(u, len);
    if (!p)
        return cut_short(u);
    pickle_value *v = unpickle_new(u, kind);
    if (v)
        v->as.text = (pickle_chars){ (const char *)p, (size_t)len };
    return push(u, v);
}

/* Takes the rest of the line, without its end. */
static bool take_line(pickle_chars *out, unpickled *u)
{
    const uint8_t *start = u->bytes + u->at, *stop = memchr(start, '\n', u->size - u->at);
    if (!stop)
        return false;
    *out = (pickle_chars){ (const char *)start, (size_t)(stop - start) };
    u->at += out->len + 1;
    return true;
}

static rap_status push_line(unpickled *u, uint8_t op)
{
    pickle_chars line;
    return take_line(&line, u) ? push(u, unpickle_line(u, op, line)) : cut_short(u);
}

static rap_status line_index(unpickled *u, rap_status use(unpickled *, uint64_t))
{
    pickle_chars line;
    return take_line(&line, u) ? use(u, unpickle_line_index(line)) : cut_short(u);
}

/* ---- containers --------------------------------------------------------------------------- */

/* Collects the top `count` values into one tuple, list, set or dict. */
static rap_status collect(unpickled *u, pickle_kind kind, size_t count)
{
    if (poppable(u) < count)
        return underflow(u);
    if (kind == PICKLE_DICT && count % 2)
        return unpickle_bad(u, "a dict has a key without a value");
    pickle_value *v = unpickle_new(u, kind);
    if (!v)
        return push(u, NULL);
    /* The empty stack has no memory yet. */
    rap_status status = count ? unpickle_append(u, v, u->stack + u->depth - count, count) : RAP_OK;
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

/* Removes the innermost mark and counts the values above it. */
static rap_status unmark(unpickled *u, size_t *out_count)
{
    if (!u->mark_count)
        return unpickle_bad(u, "it closes a mark that it never set");
    *out_count = poppable(u);
    u->mark_count--;
    return RAP_OK;
}

/* Moves the top `count` values into the container below them: a list, set or dict, or an object's
 * items. */
static rap_status fill(unpickled *u, pickle_kind kind, size_t count)
{
    if (poppable(u) < count + 1)
        return underflow(u);
    pickle_value *to = u->stack[u->depth - count - 1];
    if (to->kind == PICKLE_OBJECT && !to->as.object.content &&
        !(to->as.object.content = unpickle_new(u, kind)))
        return unpickle_failed(u);
    if (to->kind == PICKLE_OBJECT)
        to = to->as.object.content;
    if (to->kind != kind || (kind == PICKLE_DICT && count % 2))
        return unpickle_bad(u, "it adds items to a value that is not a container");
    rap_status status = unpickle_append(u, to, u->stack + u->depth - count, count);
    u->depth -= count;
    return status;
}

static rap_status fill_marked(unpickled *u, pickle_kind kind)
{
    size_t count = 0;
    rap_status status = unmark(u, &count);
    return status == RAP_OK ? fill(u, kind, count) : status;
}

static rap_status collect_marked(unpickled *u, pickle_kind kind)
{
    size_t count = 0;
    rap_status status = unmark(u, &count);
    return status == RAP_OK ? collect(u, kind, count) : status;
}

/* Drops the top value or mark. */
static rap_status pop(unpickled *u)
{
    if (poppable(u))
        u->depth--;
    else if (u->mark_count)
        u->mark_count--;
    else
        return underflow(u);
    return RAP_OK;
}

static rap_status pop_marked(unpickled *u)
{
    size_t count = 0;
    rap_status status = unmark(u, &count);
    u->depth -= count;
    return status;
}

/* ---- names and calls ---------------------------------------------------------------------- */

/* "module\nname\n" */
static rap_status push_global(unpickled *u)
{
    pickle_chars module, name;
    if (!take_line(&module, u) || !take_line(&name, u))
        return cut_short(u);
    pickle_value *v = NULL;
    rap_status status = unpickle_global(&v, u, module, name);
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
    rap_status status = unpickle_global(&v, u, module->as.text, name->as.text);
    return status == RAP_OK ? push(u, v) : status;
}

typedef rap_status maker(pickle_value **out, unpickled *u, const pickle_value *from,
                         const pickle_value *args);

/* Replaces the top two values with the result of `make`. */
static rap_status apply(unpickled *u, maker *make)
{
    if (poppable(u) < 2)
        return underflow(u);
    pickle_value *v = NULL;
    rap_status status = make(&v, u, u->stack[u->depth - 2], u->stack[u->depth - 1]);
    u->depth -= 2;
    return status == RAP_OK ? push(u, v) : status;
}

/* A class, its arguments and keyword arguments (dropped) become an object. */
static rap_status apply_with_names(unpickled *u)
{
    if (poppable(u) < 3)
        return underflow(u);
    u->depth--;
    return apply(u, unpickle_object);
}

/* Protocol 0: a class by name, or the first value above the mark, and its arguments up to the top. */
static rap_status push_instance(unpickled *u, bool named)
{
    size_t count = 0;
    pickle_chars module, name;
    pickle_value *type = NULL, *v = NULL;
    if (named && (!take_line(&module, u) || !take_line(&name, u)))
        return cut_short(u);
    rap_status status = named ? unpickle_global(&type, u, module, name) : RAP_OK;
    if (status == RAP_OK)
        status = unmark(u, &count);
    if (status == RAP_OK && !named && count == 0)
        status = underflow(u);
    if (status != RAP_OK)
        return status;
    if (!named)
        type = u->stack[u->depth - count];
    u->depth -= count;
    if ((status = collect(u, PICKLE_TUPLE, 0)) != RAP_OK) /* its arguments are dropped */
        return status;
    status = unpickle_object(&v, u, type, u->stack[--u->depth]);
    return status == RAP_OK ? push(u, v) : status;
}

/* Sets an object's attributes. A state dict has `_metadata` as attributes, a tensor may have its
 * own: both are dropped. Nothing else has attributes. */
static rap_status build(unpickled *u)
{
    if (poppable(u) < 2)
        return underflow(u);
    const pickle_value *state = u->stack[--u->depth];
    pickle_value *to = top(u);
    if (to->kind == PICKLE_OBJECT)
        to->as.object.state = state;
    else if (to->kind != PICKLE_DICT && to->kind != PICKLE_TENSOR)
        return unpickle_bad(u, "it sets attributes of a value that has none");
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

/* Opcodes that create, fill or close a container. */
static rap_status step_container(unpickled *u, uint8_t op)
{
    switch (op) {
    case '(':
        return mark(u);
    case ')':
        return collect(u, PICKLE_TUPLE, 0);
    case 0x85:
        return collect(u, PICKLE_TUPLE, 1);
    case 0x86:
        return collect(u, PICKLE_TUPLE, 2);
    case 0x87:
        return collect(u, PICKLE_TUPLE, 3);
    case 't':
        return collect_marked(u, PICKLE_TUPLE);
    case ']':
        return collect(u, PICKLE_LIST, 0);
    case 'l':
        return collect_marked(u, PICKLE_LIST);
    case 'a':
        return fill(u, PICKLE_LIST, 1);
    case 'e':
        return fill_marked(u, PICKLE_LIST);
    case '}':
        return collect(u, PICKLE_DICT, 0);
    case 'd':
        return collect_marked(u, PICKLE_DICT);
    case 's':
        return fill(u, PICKLE_DICT, 2);
    case 'u':
        return fill_marked(u, PICKLE_DICT);
    case 0x8f:
        return collect(u, PICKLE_SET, 0);
    case 0x90:
        return fill_marked(u, PICKLE_SET);
    case 0x91: /* frozenset */
        return collect_marked(u, PICKLE_SET);
    default:
        return err_set(u->err, RAP_E_FORMAT,
                       "%s: uses pickle opcode 0x%02x, which is not supported", u->name, op);
    }
}

/* Opcodes without operands. */
static rap_status step_plain(unpickled *u, uint8_t op)
{
    switch (op) {
    case 'N':
        return push(u, unpickle_new(u, PICKLE_NONE));
    case 0x88:
        return push_integer(u, PICKLE_BOOL, 1);
    case 0x89:
        return push_integer(u, PICKLE_BOOL, 0);
    case '0':
        return pop(u);
    case '1':
        return pop_marked(u);
    case '2':
        return top(u) ? push(u, top(u)) : underflow(u);
    case 'R':
        return apply(u, unpickle_call);
    case 0x81:
        return apply(u, unpickle_object);
    case 0x92:
        return apply_with_names(u);
    case 'o':
        return push_instance(u, false);
    case 'b':
        return build(u);
    case 'Q':
        return persistent(u);
    case 0x93:
        return push_stack_global(u);
    case 0x94:
        return remember(u, u->memo_count);
    default:
        return step_container(u, op);
    }
}

/* Opcodes followed by a line of text or a counted text. */
static rap_status step_text(unpickled *u, uint8_t op)
{
    switch (op) {
    case 'I':
    case 'L':
    case 'F':
    case 'S':
    case 'V':
        return push_line(u, op);
    case 'g':
        return line_index(u, recall);
    case 'p':
        return line_index(u, remember);
    case 'c':
        return push_global(u);
    case 'i':
        return push_instance(u, true);
    case 'U': /* Python 2's str */
    case 0x8c:
        return push_text(u, PICKLE_TEXT, 1);
    case 'T':
    case 'X':
        return push_text(u, PICKLE_TEXT, 4);
    case 0x8d:
        return push_text(u, PICKLE_TEXT, 8);
    case 'C':
        return push_text(u, PICKLE_BYTES, 1);
    case 'B':
        return push_text(u, PICKLE_BYTES, 4);
    case 0x8e:
    case 0x96: /* bytearray */
        return push_text(u, PICKLE_BYTES, 8);
    default:
        return step_plain(u, op);
    }
}

static rap_status step(unpickled *u, uint8_t op)
{
    uint64_t n;
    switch (op) {
    case 0x80: /* protocol */
        if (!take_number(&n, u, 1))
            return cut_short(u);
        return n <= 5 ? RAP_OK : unpickle_bad(u, "its pickle protocol is not 0 to 5");
    case 0x95: /* frame: a hint for stream readers */
        return take(u, 8) ? RAP_OK : cut_short(u);
    case 'K':
        return take_number(&n, u, 1) ? push_integer(u, PICKLE_INT, (int64_t)n) : cut_short(u);
    case 'M':
        return take_number(&n, u, 2) ? push_integer(u, PICKLE_INT, (int64_t)n) : cut_short(u);
    case 'J':
        return take_number(&n, u, 4) ? push_integer(u, PICKLE_INT, (int32_t)n) : cut_short(u);
    case 0x8a:
        return push_long(u, 1);
    case 0x8b:
        return push_long(u, 4);
    case 'G':
        return push_float(u);
    case 'q':
        return take_number(&n, u, 1) ? remember(u, n) : cut_short(u);
    case 'r':
        return take_number(&n, u, 4) ? remember(u, n) : cut_short(u);
    case 'h':
        return take_number(&n, u, 1) ? recall(u, n) : cut_short(u);
    case 'j':
        return take_number(&n, u, 4) ? recall(u, n) : cut_short(u);
    default:
        return step_text(u, op);
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
    rap_err own = { 0 }; /* collects errors even if the caller passed no err */
    *out = NULL;
    if (size > PICKLE_MAX_BYTES)
        return err_set(err, RAP_E_LIMIT, "%s: its pickle has %zu bytes, more than the limit", name,
                       size);
    unpickled *u = mem_array(1, sizeof *u);
    if (!u)
        return err_memory(err, "reading a pickle");
    u->name = name;
    u->bytes = bytes;
    u->size = size;
    u->err = err ? err : &own;
    rap_status status = run(u);
    u->err = NULL;
    if (status == RAP_OK)
        *out = u;
    else
        unpickle_free(u);
    return status;
}
