# llama.cpp as one interface target `llama_all`: headers and static libraries of ggml, llama, mtmd and the template
# engine. LLAMA_VERSION says which source and repairs were built.
# tools/setup/llama.sh obtains and builds it once into a cache outside the build folder and prints
# where it lies; with everything in the cache this takes a moment and touches no network.
execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/../tools/setup/llama.sh
    OUTPUT_VARIABLE LLAMA_HOME OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE llama_result)
if(NOT llama_result EQUAL 0)
    message(FATAL_ERROR "llama.cpp could not be set up; the lines above say why")
endif()
message(STATUS "llama.cpp: ${LLAMA_HOME}")

file(STRINGS ${LLAMA_HOME}/version LLAMA_VERSION)
file(GLOB llama_archives ${LLAMA_HOME}/lib/*.a)
file(STRINGS ${LLAMA_HOME}/openmp llama_openmp) # the OpenMP runtime it was built with, if any
if(llama_openmp) # two OpenMP runtimes in one process would each count threads; clang's serves both
    set(llama_openmp OpenMP::OpenMP_C)
endif()
# The runtime once more as a flag, which keeps its place behind the archives: a linker that takes only what is needed
# so far (--as-needed) drops it where CMake may put it.
if(llama_openmp)
    foreach(name ${OpenMP_C_LIB_NAMES})
        if(name MATCHES "omp$")
            list(APPEND llama_openmp "-Wl,${OpenMP_${name}_LIBRARY}")
        endif()
    endforeach()
endif()
add_library(llama_all INTERFACE)
target_include_directories(llama_all SYSTEM INTERFACE ${LLAMA_HOME}/include)
target_link_libraries(llama_all INTERFACE -Wl,--start-group ${llama_archives} -Wl,--end-group
    ${llama_openmp} stdc++ Threads::Threads ${CMAKE_DL_LIBS} m)
