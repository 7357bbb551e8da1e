// jinja.cpp: renders a chat template with llama.cpp's engine. It runs on a thread of its own, because the
// engine calls itself as deeply as a template is nested and a caller's stack may be small.
#include "jinja.h"

#include "guard.h"
#include "jinja/lexer.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "json.h"

#include <pthread.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

namespace {

enum : size_t { STACK = 64u << 20, MAX_SOURCE = 256 * 1024 };

struct job {
    const rap_jinja_input *in;
    std::string text;
    bool failed, no_memory;
};

common_json message_json(const rap_jinja_message &m, bool typed)
{
    common_json out = common_json::object();

    out["role"] = std::string(m.role);
    if (!typed) {
        out["content"] = std::string(m.content);
        return out;
    }
    common_json part = common_json::object(), parts = common_json::array();

    part["type"] = std::string("text");
    part["text"] = std::string(m.content);
    parts.push_back(part);
    out["content"] = parts;
    return out;
}

std::string render(const rap_jinja_input &in)
{
    const std::string source(in.chat_template);
    common_json messages = common_json::array(), all = common_json::object();

    if (source.size() > MAX_SOURCE)
        throw std::runtime_error("it is too long");
    for (size_t i = 0; i < in.count; i++)
        messages.push_back(message_json(in.message[i], in.typed != 0));
    all["messages"] = messages;
    all["bos_token"] = std::string(in.bos);
    all["eos_token"] = std::string(in.eos);
    all["enable_thinking"] = false;
    all["thinking"] = false;
    if (in.answer_next)
        all["add_generation_prompt"] = true;

    jinja::lexer lexer;
    const auto tokens = lexer.tokenize(source);
    const jinja::program program = jinja::parse_from_tokens(tokens);
    jinja::context context(tokens.source);

    jinja::global_from_json(context, all, false);
    jinja::runtime runtime(context);
    return jinja::runtime::gather_string_parts(runtime.execute(program))->as_string().str();
}

// The last line of the engine's message that says something.
std::string reason(const char *what)
{
    std::string text(what), line;

    for (size_t at = 0; at < text.size();) {
        size_t end = text.find('\n', at);

        end = end == std::string::npos ? text.size() : end;
        if (end > at)
            line = text.substr(at, end - at);
        at = end + 1;
    }
    return line.compare(0, 7, "Error: ") == 0 ? line.substr(7) : line;
}

void *run(void *payload)
{
    job &j = *static_cast<job *>(payload);

    jinja_guard::depth = jinja_guard::steps = 0;
    try {
        j.text = render(*j.in);
    } catch (const std::bad_alloc &) {
        j.failed = j.no_memory = true;
    } catch (const std::exception &e) {
        j.failed = true;
        try {
            j.text = reason(e.what());
        } catch (...) {
            j.no_memory = true;
        }
    } catch (...) {
        j.failed = true;
        j.text.clear();
    }
    return nullptr;
}

} // namespace

int rap_jinja_render(char **out, const rap_jinja_input *in)
{
    job j = { in, std::string(), false, false };
    pthread_attr_t attributes;
    pthread_t thread;
    int code;

    *out = nullptr;
    if (pthread_attr_init(&attributes) != 0)
        return -1;
    pthread_attr_setstacksize(&attributes, STACK);
    code = pthread_create(&thread, &attributes, run, &j);
    pthread_attr_destroy(&attributes);
    if (code != 0)
        return -1;
    pthread_join(thread, nullptr);
    if (!j.no_memory)
        *out = strdup(j.text.c_str());
    return j.failed || !*out ? -1 : 0;
}
