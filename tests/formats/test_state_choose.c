/* test_state_choose.c: the model's weights among all that a trainer keeps. */
#include "convert/made.h"
#include "formats/state_choose.h"

static void tensors(buf *b, const char *prefix, int count)
{
    buf_puts(b, "}(");
    for (int i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%d", prefix, i);
        pickle_tensor_of(b, &(made_tensor){ name, "FloatStorage", "0", 4, 0, 1, { 4 }, { 1 } });
    }
    buf_putc(b, 'u');
}

static unpickled *read_back(const buf *b)
{
    unpickled *u;
    rap_err err = { 0 };
    if (unpickle(&u, (const uint8_t *)b->data, b->len, "a.pt", &err) != RAP_OK)
        fail_msg("%s", err.text);
    return u;
}

typedef struct part {
    const char *key;
    int tensors;
} part;

/* {key: {n tensors}, …} */
static void chooses(const part *parts, int count, const char *place, int wanted,
                    state_average average)
{
    buf b = BUF_INIT;
    state_choice choice;
    pickle_start(&b);
    buf_puts(&b, "}(");
    for (int i = 0; i < count; i++) {
        pickle_text(&b, parts[i].key);
        tensors(&b, "t", parts[i].tensors);
    }
    buf_puts(&b, "u.");
    unpickled *u = read_back(&b);
    assert_int_equal(state_choose(&choice, unpickle_root(u), "a.pt", NULL), RAP_OK);
    assert_string_equal(choice.place, place);
    assert_int_equal(choice.tensors, wanted);
    assert_int_equal(choice.average, average);
    unpickle_free(u);
    buf_release(&b);
}
#define CHOOSES(place, wanted, average, ...)                                                     \
    chooses((const part[]){ __VA_ARGS__ }, sizeof((const part[]){ __VA_ARGS__ }) / sizeof(part), \
            place, wanted, STATE_AVERAGE_##average)

static void the_most_tensors_win(void **state)
{
    CHOOSES("state_dict", 5, NONE, { "state_dict", 5 });
    CHOOSES("network", 5, NONE, { "loss", 1 }, { "network", 5 });
    CHOOSES("model", 5, NONE, { "optimizer", 9 }, { "model", 5 });
}

static void averaged_weights_are_preferred(void **state)
{
    CHOOSES("state_dict_ema", 5, TAKEN, { "state_dict", 5 }, { "state_dict_ema", 5 });
    CHOOSES("model_ema", 5, TAKEN, { "model_ema", 5 }, { "model", 5 });
    CHOOSES("teacher", 5, TAKEN, { "student", 5 }, { "teacher", 5 });
    CHOOSES("ema", 5, NONE, { "ema", 5 });
    CHOOSES("model", 5, LEFT, { "model", 5 }, { "ema", 4 });
    CHOOSES("schema", 5, NONE, { "schema", 5 }, { "x", 5 });
}

/* {"a": {"b": {tensors}}}, and one that holds itself. */
static void nesting_is_followed(void **state)
{
    buf b = BUF_INIT;
    state_choice choice;
    pickle_start(&b);
    buf_puts(&b, "}q\1(");
    pickle_text(&b, "self");
    buf_puts(&b, "h\1");
    pickle_text(&b, "checkpoint");
    buf_puts(&b, "}(");
    pickle_text(&b, "weights");
    tensors(&b, "t", 3);
    buf_puts(&b, "uu.");
    unpickled *u = read_back(&b);
    assert_int_equal(state_choose(&choice, unpickle_root(u), "a.pt", NULL), RAP_OK);
    assert_int_equal(choice.tensors, 3);
    assert_string_equal(choice.place, "checkpoint.weights");
    unpickle_free(u);
    buf_release(&b);
}

/* Weights in an attribute of an object, and in one that is a dict. */
static void objects_are_looked_into(void **state)
{
    static const char *const makes[] = { "cm\nTrainState\n)\x81}(", "cm\nBox\n)\x81(" };
    for (int i = 0; i < 2; i++) {
        buf b = BUF_INIT;
        state_choice choice;
        pickle_start(&b);
        buf_puts(&b, makes[i]);
        pickle_text(&b, "weights");
        tensors(&b, "t", 3);
        buf_puts(&b, i == 0 ? "ub." : "u.");
        unpickled *u = read_back(&b);
        assert_int_equal(state_choose(&choice, unpickle_root(u), "a.pt", NULL), RAP_OK);
        assert_int_equal(choice.tensors, 3);
        assert_string_equal(choice.place, "weights");
        unpickle_free(u);
        buf_release(&b);
    }
}

/* Dicts that hold each other many times over end the walk, not the program. */
static void a_bomb_is_refused(void **state)
{
    buf b = BUF_INIT;
    state_choice choice;
    rap_err err = { 0 };
    pickle_start(&b);
    buf_puts(&b, "}q\1(");
    for (int i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        pickle_text(&b, key);
        buf_puts(&b, "h\1");
    }
    buf_puts(&b, "u.");
    unpickled *u = read_back(&b);
    assert_int_equal(state_choose(&choice, unpickle_root(u), "a.pt", &err), RAP_E_LIMIT);
    assert_non_null(strstr(err.text, "more parts"));
    unpickle_free(u);
    buf_release(&b);
}

static void names_of_averages(void **state)
{
    static const char *const yes[] = { "ema", "EMA", "model_ema", "ema.model", "swa-model" };
    static const char *const no[] = { "schema", "model", "", "_", "emax", "teachers" };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(state_is_averaged(yes[i], strlen(yes[i])));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(state_is_averaged(no[i], strlen(no[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_tensors_win), cmocka_unit_test(averaged_weights_are_preferred),
        cmocka_unit_test(nesting_is_followed),  cmocka_unit_test(objects_are_looked_into),
        cmocka_unit_test(a_bomb_is_refused),    cmocka_unit_test(names_of_averages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
