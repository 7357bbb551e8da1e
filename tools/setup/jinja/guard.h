/* guard.h: bounds for llama.cpp's template engine, which has none of its own: a chat template comes with a
 * model file, and a file may be damaged or made to harm. llama.sh puts these checks into the engine: a guard
 * in every function that calls itself, a step in every loop that a template can make long. */
#ifndef RAP_JINJA_GUARD_H
#define RAP_JINJA_GUARD_H

#include <cstddef>
#include <stdexcept>

struct jinja_guard {
    enum : size_t { MAX_DEPTH = 4000, MAX_STEPS = 200000, MAX_TEXT = 256 * 1024, MAX_ITEMS = 4096 };

    inline static thread_local size_t depth = 0, steps = 0;

    jinja_guard()
    {
        if (depth >= MAX_DEPTH)
            throw std::runtime_error("it is nested too deeply");
        depth++;
    }
    ~jinja_guard() { depth--; }
    jinja_guard(const jinja_guard &) = delete;
    jinja_guard &operator=(const jinja_guard &) = delete;

    static void step()
    {
        if (++steps > MAX_STEPS)
            throw std::runtime_error("it runs for too long");
    }
    static void text(size_t len)
    {
        step();
        if (len > MAX_TEXT)
            throw std::runtime_error("it makes too long a text");
    }
    static void items(size_t count)
    {
        step();
        if (count > MAX_ITEMS)
            throw std::runtime_error("it makes too long a list");
    }
};

#endif
