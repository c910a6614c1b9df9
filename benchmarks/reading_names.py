"""Whose samples `benchmarks/reading.py` reads: a hundred languages in wide use by linguist's names, and 40 file names.

The hundred are the languages with the most people pushing to GitHub in its Innovation Graph, in no order, and the
usual formats of configuration.
"""

LANGUAGES = """
JavaScript|Python|Java|HTML|CSS|TypeScript|Shell|C|C++|PHP|C#|Jupyter Notebook|Dockerfile|Ruby|Go|SCSS|Batchfile|
Makefile|CMake|Vue|PowerShell|Swift|Objective-C|Rust|Kotlin|R|Dart|HCL|Perl|Lua|Assembly|EJS|TeX|PLpgSQL|TSQL|PLSQL|
SQL|Roff|Less|Handlebars|Blade|Scala|Starlark|Groovy|Elixir|MATLAB|GDScript|Svelte|Sass|Pug|Jinja|Twig|Smarty|
Haskell|Clojure|Julia|Nix|Solidity|GLSL|HLSL|ShaderLab|Fortran|Erlang|OCaml|F#|Visual Basic .NET|VBA|VBScript|
Emacs Lisp|Vim script|CoffeeScript|Cython|Cuda|WebAssembly|Zig|Nim|Crystal|D|Ada|Pascal|Common Lisp|Scheme|Racket|
Tcl|Prolog|SystemVerilog|Verilog|VHDL|COBOL|QML|QMake|Puppet|XSLT|Haml|Markdown|YAML|JSON|TOML|XML|Protocol Buffer
""".replace("\n", "").split("|")

FILE_NAMES = """
Dockerfile|Containerfile|Makefile|GNUmakefile|CMakeLists.txt|Gemfile|Rakefile|Vagrantfile|Jenkinsfile|BUILD.bazel|
WORKSPACE|BUCK|go.mod|go.work|Cargo.toml|Pipfile|pyproject.toml|package.json|tsconfig.json|.bashrc|.profile|.zshrc|
.gitignore|.gitattributes|.dockerignore|.editorconfig|.eslintrc.json|.babelrc|.clang-format|Procfile|justfile|
Podfile|README.me|meson.build|SConstruct|tox.ini|.vimrc|Snakefile|PKGBUILD|CODEOWNERS
""".replace("\n", "").split("|")
