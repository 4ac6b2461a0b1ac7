# Random clusters of the core alone.
if(NOT TARGET corenet)
  add_library(corenet STATIC ${CMAKE_CURRENT_LIST_DIR}/corenet.c)
  target_link_libraries(corenet PUBLIC raft_core)
endif()
add_executable(coresim ${CMAKE_CURRENT_LIST_DIR}/coresim.c)
target_link_libraries(coresim PRIVATE corenet)
add_test(NAME sim/core COMMAND coresim --seeds 300)
