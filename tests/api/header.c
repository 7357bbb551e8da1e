/* header.c: rap.h stands alone in strict C11, its values can be used where C wants constants. */
#include <rap.h>

static const rap_options options = RAP_OPTIONS_INIT;
static const rap_concept concept = RAP_CONCEPT_INIT;
static const rap_query query = RAP_QUERY_INIT;
static const rap_image picture = RAP_IMAGE_INIT;

int main(void)
{
    return options.profile || options.threads || concept.name || concept.aliases ||
           query.question || query.only || picture.path || picture.size;
}
