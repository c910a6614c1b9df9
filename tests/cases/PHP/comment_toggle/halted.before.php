<?php
// loads what follows
include 'x.php';
__halt_compiler();
// data
