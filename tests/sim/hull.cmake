add_executable(hullsim hullsim.c hullsim_log.c hullsim_net.c hullsim_pilot.c
               hullsim_time.c hullsim_work.c hullsim_world.c)
target_link_libraries(hullsim raft_hull)
add_test(NAME hullsim COMMAND hullsim --seeds 40)
