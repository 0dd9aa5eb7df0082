# The libraries in a folder that deploy/carry_dependencies.sh made (-DPREFERD_CARRIED=), under the names that
# dependencies.cmake finds elsewhere. Binaries look for the shared ones in lib/ beside themselves.

#   carried(NAME [DEFINE ...] [LINK FILE or target ...])
function(carried name)
  cmake_parse_arguments(ARG "" "" "DEFINE;LINK" ${ARGN})
  list(TRANSFORM ARG_LINK PREPEND ${PREFERD_CARRIED}/lib/ REGEX "\\.(a|so.*)$")
  add_library(${name} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${name} INTERFACE ${PREFERD_CARRIED}/include)  # imported: system headers
  target_compile_definitions(${name} INTERFACE ${ARG_DEFINE})
  target_link_libraries(${name} INTERFACE ${ARG_LINK})
endfunction()

get_filename_component(PREFERD_CARRIED ${PREFERD_CARRIED} ABSOLUTE BASE_DIR ${CMAKE_BINARY_DIR})
if(NOT EXISTS ${PREFERD_CARRIED}/lib/libicudata.a)
  message(FATAL_ERROR "PREFERD_CARRIED: ${PREFERD_CARRIED} is not what deploy/carry_dependencies.sh makes: no lib/libicudata.a")
endif()
find_package(Threads REQUIRED)
carried(nlohmann_json::nlohmann_json)
carried(CLI11::CLI11)
carried(tomlplusplus::tomlplusplus)  # header-only
carried(spdlog::spdlog DEFINE SPDLOG_HEADER_ONLY SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY LINK Threads::Threads)
carried(ZLIB::ZLIB LINK libz.a)
carried(PkgConfig::ZSTD LINK libzstd.a)
carried(OpenSSL::Crypto LINK libcrypto.so.3)
carried(ICU::uc LINK libicuuc.a libicudata.a Threads::Threads ${CMAKE_DL_LIBS})
carried(ICU::i18n LINK libicui18n.a libicuuc.a libicudata.a)
carried(prometheus-cpp::core LINK libprometheus-cpp-core.so.1.0)
carried(PkgConfig::HWY DEFINE HWY_SHARED_DEFINE LINK libhwy.so.1)
carried(PkgConfig::HTTPLIB DEFINE CPPHTTPLIB_OPENSSL_SUPPORT CPPHTTPLIB_ZLIB_SUPPORT CPPHTTPLIB_BROTLI_SUPPORT
        LINK libcpp-httplib.so.0.11 libssl.so.3 libcrypto.so.3 libbrotlidec.so.1 libbrotlienc.so.1 libbrotlicommon.so.1)
