# librap.a and librap.so: every layer and llama.cpp in one file each, exporting rap_* and nothing else.
#
# The layers are first joined into one object (`ld -r`), in which calls between layers are resolved,
# and then hidden symbols are made local. The sanitizer build tests the layers and needs neither.
if(RAP_SANITIZE)
    return()
endif()

set(layer_archives "")
foreach(target rap_facade ${library_targets})
    get_target_property(type ${target} TYPE)
    if(type STREQUAL STATIC_LIBRARY)
        list(APPEND layer_archives $<TARGET_FILE:${target}>)
        list(APPEND layer_targets ${target})
    endif()
endforeach()

set(joined ${CMAKE_BINARY_DIR}/rap_joined.o)
add_custom_command(OUTPUT ${joined}
    COMMAND ${CMAKE_LINKER} -r -o ${joined} --whole-archive ${layer_archives}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${joined}
    DEPENDS ${layer_targets} ${layer_archives} COMMENT "Joining the layers" VERBATIM)

# What neither llama.cpp nor we bring along; also written into rap.pc.
set(system_libraries PkgConfig::CURL PkgConfig::VIPS PkgConfig::LCMS PkgConfig::SQLITE PkgConfig::JANSSON PkgConfig::EXPAT
    PkgConfig::NETTLE PkgConfig::ZLIB PkgConfig::UTF8PROC ${DNNL_LIBRARY} OpenMP::OpenMP_C ${llama_openmp} Threads::Threads
    ${CMAKE_DL_LIBS} stdc++ m)

add_library(librap_shared SHARED ${joined})
set_target_properties(librap_shared PROPERTIES OUTPUT_NAME rap LINKER_LANGUAGE C
    VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/rap.map)
target_link_options(librap_shared PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/rap.map
    -Wl,--exclude-libs,ALL -Wl,--no-undefined)
target_link_libraries(librap_shared PRIVATE llama_all ${system_libraries})

set(archive ${CMAKE_BINARY_DIR}/librap.a)
add_custom_command(OUTPUT ${archive}
    COMMAND ${CMAKE_COMMAND} -E env LD=${CMAKE_LINKER} OBJCOPY=${CMAKE_OBJCOPY} NM=${CMAKE_NM}
        AR=${CMAKE_AR} ${CMAKE_CURRENT_LIST_DIR}/archive.sh ${archive} ${joined} ${llama_archives}
    DEPENDS ${joined} ${llama_archives} ${CMAKE_CURRENT_LIST_DIR}/archive.sh
    COMMENT "Making librap.a" VERBATIM)
add_custom_target(librap_archive ALL DEPENDS ${archive})
