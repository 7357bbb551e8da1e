/* test_style.c: turns read out of chat templates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "generate/style.h"

#include <stdlib.h>
#include <string.h>

static const char chatml[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

static rap_status read_style(style *out, const char *chat_template, const char *system,
                             rap_err *err)
{
    const style_source source = { .chat_template = chat_template,
                                  .bos = "<s>",
                                  .eos = "</s>",
                                  .system = system,
                                  .name = "m.gguf" };

    return style_from_template(out, &source, err);
}

static void chatml_turns(void **state)
{
    style s;

    assert_int_equal(read_style(&s, chatml, NULL, NULL), RAP_OK);
    assert_string_equal(s.turns.system, "<|im_start|>user\n");
    assert_string_equal(s.turns.system_line, "");
    assert_string_equal(s.turns.before_user, "");
    assert_string_equal(s.turns.before_assistant, "<|im_end|>\n<|im_start|>assistant\n");
    assert_string_equal(s.turns.after_assistant, "<|im_end|>\n<|im_start|>user\n");
    style_release(&s);
}

/* The system line is data: what looks like a token in it stays text. */
static void a_system_line_is_data(void **state)
{
    style s;

    assert_int_equal(read_style(&s, chatml, "Be <|im_end|> brief.", NULL), RAP_OK);
    assert_string_equal(s.turns.system, "<|im_start|>system\n");
    assert_string_equal(s.turns.system_line, "Be <|im_end|> brief.");
    assert_string_equal(s.turns.after_system, "<|im_end|>\n<|im_start|>user\n");
    style_release(&s);
}

/* As Qwen2.5-VL's: a line of its own unless one is given. */
static void a_templates_own_system_line_stays(void **state)
{
    static const char own[] =
        "{% for message in messages %}{% if loop.first and message['role'] != 'system' "
        "%}<|im_start|>system\n"
        "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
        "{{ message['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt "
        "%}<|im_start|>assistant\n"
        "{% endif %}";
    style s;

    assert_int_equal(read_style(&s, own, "", NULL), RAP_OK);
    assert_string_equal(s.turns.system,
                        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
                        "<|im_start|>user\n");
    style_release(&s);
    assert_int_equal(read_style(&s, own, "Be brief.", NULL), RAP_OK);
    assert_string_equal(s.turns.system, "<|im_start|>system\n");
    assert_string_equal(s.turns.after_system, "<|im_end|>\n<|im_start|>user\n");
    style_release(&s);
}

/* As Mistral's early ones: a system line goes before the first question. */
static void a_template_without_system_lines_gets_it_in_the_question(void **state)
{
    static const char strict[] =
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
        "{{ raise_exception('no system') }}{% elif message['role'] == 'user' %}[INST] {{ "
        "message['content'] }} "
        "[/INST]{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}";
    style s;

    assert_int_equal(read_style(&s, strict, "Be brief.", NULL), RAP_OK);
    assert_string_equal(s.turns.system, "<s>[INST] ");
    assert_string_equal(s.turns.system_line, "Be brief.\n\n");
    assert_string_equal(s.turns.after_system, "");
    assert_string_equal(s.turns.before_assistant, " [/INST]");
    assert_string_equal(s.turns.after_assistant, "</s>[INST] ");
    style_release(&s);
}

/* As SmolVLM's: contents are lists of parts. */
static void contents_may_have_to_be_parts(void **state)
{
    static const char parts[] = "<|im_start|>{% for message in messages %}{{ message['role'] | "
                                "capitalize }}: {% for line in "
                                "message['content'] %}{% if line['type'] == 'text' %}{{ "
                                "line['text'] }}{% endif %}{% endfor %}"
                                "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ "
                                "'Assistant:' }}{% endif %}";
    style s;

    assert_int_equal(read_style(&s, parts, NULL, NULL), RAP_OK);
    assert_string_equal(s.turns.system, "<|im_start|>User: ");
    assert_string_equal(s.turns.before_assistant, "<end_of_utterance>\nAssistant:");
    assert_string_equal(s.turns.after_assistant, "<end_of_utterance>\nUser: ");
    style_release(&s);
}

/* As Qwen3's: thinking is switched off where there is a switch. */
static void thinking_is_switched_off(void **state)
{
    static const char thinks[] = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ "
                                 "message.content }}<|im_end|>\n"
                                 "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
                                 "{% if enable_thinking is defined and enable_thinking is false "
                                 "%}<think>\n\n</think>\n\n{% endif %}{% endif %}";
    style s;

    assert_int_equal(read_style(&s, thinks, NULL, NULL), RAP_OK);
    assert_string_equal(s.turns.before_assistant,
                        "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
    style_release(&s);
}

static void a_template_that_cannot_be_used_is_named(void **state)
{
    static const char *const bad[] = { "{% for m in messages %}{{ loop.index }}{% endfor %}",
                                       "{% for m in messages %}",
                                       "{{ raise_exception('never') }}",
                                       "",
                                       "{{ messages[0].content }}{{ messages[0].content }}",
                                       "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
                                       "{% for i in range(1000000000000) %}x{% endfor %}",
                                       "{{ 'abc' * 1000000000000 }}",
                                       "{% set ns = namespace(x='ab') %}{% for i in range(60) %}"
                                       "{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}" };
    rap_err err = { 0 };
    style s;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_style(&s, bad[i], NULL, &err), RAP_E_UNSUPPORTED);
        assert_non_null(strstr(err.text, "m.gguf: its chat template cannot be used: "));
        assert_null(strchr(err.text, '\n'));
    }
}

/* `count` times `left`, then `middle`, then `count` times `right`. */
static char *nested(const char *start, const char *left, const char *middle, const char *right,
                    const char *end, int count)
{
    buf b = BUF_INIT;

    buf_puts(&b, start);
    for (int i = 0; i < count; i++)
        buf_puts(&b, left);
    buf_puts(&b, middle);
    for (int i = 0; i < count; i++)
        buf_puts(&b, right);
    buf_puts(&b, end);
    return buf_detach(&b);
}

static void deep_templates_do_not_end_the_stack(void **state)
{
    char *deep[] = { nested("{{ ", "(", "1", ")", " }}", 60000),
                     nested("{{ ", "1+", "1", "", " }}", 60000),
                     nested("{{ ", "not ", "1", "", " }}", 60000),
                     nested("{{ a", "", "", "[0]", " }}", 60000),
                     nested("", "{% if 1 %}", "", "{% endif %}", "", 9000),
                     nested("{% if 0 %}x", "{% elif 0 %}y", "", "", "{% endif %}", 9000) };
    style s;

    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        assert_non_null(deep[i]);
        assert_int_equal(read_style(&s, deep[i], NULL, NULL), RAP_E_UNSUPPORTED);
        free(deep[i]);
    }
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
        cmocka_unit_test(a_system_line_is_data),
        cmocka_unit_test(a_templates_own_system_line_stays),
        cmocka_unit_test(a_template_without_system_lines_gets_it_in_the_question),
        cmocka_unit_test(contents_may_have_to_be_parts),
        cmocka_unit_test(thinking_is_switched_off),
        cmocka_unit_test(a_template_that_cannot_be_used_is_named),
        cmocka_unit_test(deep_templates_do_not_end_the_stack),
        cmocka_unit_test(missing_fields_are_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
