// The main function of every doctest suite. Stands alone because doctest's implementation takes seconds to
// compile.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
