// header.cpp: rap.h stands alone in strict C++11 and its functions keep their C names.
#include <rap.h>

static rap_status (*const open_function)(rap **, const rap_options *) = rap_open;

int main()
{
    rap_options options = RAP_OPTIONS_INIT;
    rap_concept concept = RAP_CONCEPT_INIT;
    rap_query query = RAP_QUERY_INIT;

    (void)sizeof(open_function);
    return options.profile || concept.name || query.question;
}
