from __future__ import annotations

import torch

from detectron2.data import MetadataCatalog
from reference.small_univs import small_univs_config, small_univs_model
from univs.engine.video_inference import VideoInference


def test_still_images_go_to_the_model():
    model = small_univs_model()
    name = "still_images_of_small_shapes"
    MetadataCatalog.get(name).set(domain="shapes")
    image = 255 * torch.rand(3, 50, 70, generator=torch.Generator().manual_seed(0))
    sample = {"image": image, "dataset_name": name, "height": 100, "width": 140}
    (result,) = VideoInference(model, small_univs_config())([sample])
    assert torch.equal(result["sem_seg"], model([sample])[0]["sem_seg"])
    assert result["sem_seg"].shape == (3, 100, 140)
