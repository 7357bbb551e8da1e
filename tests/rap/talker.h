/* talker.h: a profile with a ViT and a LLaVA of random weights: it answers nonsense, but always the same. */
#ifndef RAP_TESTS_FACADE_TALKER_H
#define RAP_TESTS_FACADE_TALKER_H

#include "rap/fixture.h"

__attribute__((unused)) static int have_models(void)
{
    return have(VIT) && have("fixtures/vlm/random-llm.gguf");
}

__attribute__((unused)) static rap *open_talker(fixture *f, const char *store, const rap_options *o)
{
    const char *folder = make_profile(f, "talker", VIT, NULL);
    char *model = realpath(shared("fixtures/vlm/random-llm.gguf"), NULL);
    char *mmproj = realpath(shared("fixtures/vlm/random-mmproj.gguf"), NULL);

    write_text(path_of("%s/profile.json", folder),
               path_of("{\"name\":\"talker\",\"files\":{\"encoder\":{\"path\":\"encoder.gguf\"},"
                       "\"llm\":{\"path\":\"%s\"},\"mmproj\":{\"path\":\"%s\"}}}",
                       model, mmproj));
    free(model);
    free(mmproj);
    return open_rap(f, folder, store, o);
}

__attribute__((unused)) static void two_concepts(fixture *f, rap *r)
{
    assert_int_equal(remember(r, "bo", make_picture(f, "bo.png", 64, 64, 1)), RAP_OK);
    assert_int_equal(remember(r, "mug", make_picture(f, "mug.png", 64, 64, 7)), RAP_OK);
}

__attribute__((unused)) static rap_query query_of(const char *question, const char *picture)
{
    rap_query q = RAP_QUERY_INIT;

    q.question = question;
    q.image.path = picture;
    q.max_tokens = 4;
    return q;
}

__attribute__((unused)) static rap_answer *ask(rap *r, const rap_query *q)
{
    rap_answer *a = NULL;

    if (rap_ask(&a, r, q, NULL, NULL) != RAP_OK)
        fail_msg("%s", rap_error(r));
    return a;
}

#endif
