
  <ul>

    <?php foreach ($names as $name): ?>


      <li><?= $name ?></li>
    <?php endforeach ?>

  </ul>
<?php


declare(strict_types=1);
namespace Names;
use A\B;
#[Pure]
function all(array $self, string $prefix = 'x', ...$rest)
{
    $found = ['first'=>1, "second" => [2,3], 'third' => <<<A
      some   text

      A];

    foreach ($self as $name => $value) {
        // one of them
        if ($name !== $prefix && $value+1 > 2) {
            $found[] = $value;
        } elseif (!$name) {
            continue;
        } else {
            call(
                $name,
                "some  {$prefix}"
            );
        }
    }
    switch ($prefix) {
        case 'a':
            return fn($x) => $x * 2;
        default:
            break;
    }

    return match($prefix) {
        'a', 'b' => 1,
        default => join($found, $prefix, $self, $rest),
    };
}
