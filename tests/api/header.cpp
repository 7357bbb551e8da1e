// header.cpp: rap.h stands alone in strict C++11.
#include <rap.h>

int main()
{
    rap_options options = RAP_OPTIONS_INIT;
    rap_concept concept = RAP_CONCEPT_INIT;
    rap_query query = RAP_QUERY_INIT;
    rap_answer *answer = nullptr;

    return options.profile || concept.name || query.question || answer;
}
