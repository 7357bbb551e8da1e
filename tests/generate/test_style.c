/* test_style.c: turns read out of chat templates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "generate/style.h"

#include <string.h>

static const char chatml[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

static void chatml_turns(void **state)
{
    style s;

    assert_int_equal(style_from_template(&s, chatml, "m.gguf", NULL), RAP_OK);
    assert_string_equal(s.turns.system, "<|im_start|>user\n");
    assert_string_equal(s.turns.before_user, "");
    assert_string_equal(s.turns.before_assistant, "<|im_end|>\n<|im_start|>assistant\n");
    assert_string_equal(s.turns.after_assistant, "<|im_end|>\n<|im_start|>user\n");
    style_release(&s);
}

static void vicuna_turns(void **state)
{
    style s;

    assert_int_equal(
        style_from_template(&s, "USER: {{ q }} ASSISTANT: {{ a }}</s>", "m.gguf", NULL), RAP_OK);
    assert_string_equal(s.turns.system, "USER: ");
    assert_string_equal(s.turns.before_assistant, "\nASSISTANT:");
    assert_string_equal(s.turns.after_assistant, "</s>\nUSER: ");
    style_release(&s);
}

static void an_unknown_template_is_named(void **state)
{
    rap_err err = { 0 };
    style s;

    assert_int_equal(
        style_from_template(&s, "{% for m in messages %}{{ m }}{% endfor %}", "m.gguf", &err),
        RAP_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "m.gguf"));
    assert_int_equal(style_from_template(&s, NULL, "m.gguf", &err), RAP_E_UNSUPPORTED);
    assert_string_equal(err.text, "m.gguf: has no chat template");
}

static void missing_fields_are_empty(void **state)
{
    style s;

    assert_int_equal(style_copy(&s, &(prompt_style){ .before_user = "Q: " }, NULL), RAP_OK);
    assert_string_equal(s.turns.before_user, "Q: ");
    assert_string_equal(s.turns.system, "");
    style_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chatml_turns),
        cmocka_unit_test(vicuna_turns),
        cmocka_unit_test(an_unknown_template_is_named),
        cmocka_unit_test(missing_fields_are_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
